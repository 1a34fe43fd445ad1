"""A small version of the benchmark of Silver: what candidates make is checked, row by row."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from benchmarks.data.changes import Amounts, digest_of, expected_digest, make_changes
from benchmarks.harness.environment import RIVALS

from tests.benching import bench

pytestmark = pytest.mark.integration

AMOUNTS = Amounts(4, 500, 50)


@pytest.mark.slow
def test_ours_merges_every_case_and_is_checked(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "silver_merge", "--only=ours,ours-delta")
    assert {name: [each["landed"]["amount"] for each in case["outcomes"].values()]
            for name, case in found["cases"].items()} == {
        "merge-spread-5000": [5050, 5050],
        "merge-recent-5000": [5050, 5050],
        "make-5000": [5000, 5000],
        "merge-history-5000": [20_500],
    }  # fmt: skip
    assert told.count("- met: ours holds at most 512 MiB") == 4
    assert told.count("- met: ours-delta holds at most 512 MiB") == 3


@pytest.mark.slow
def test_rivals_make_the_same_table(tmp_path: Path) -> None:
    rivals = ["polars", "polars-eager", "deltalake", *(["dlt"] if RIVALS.exists() else [])]
    told, found = bench(tmp_path, "silver_merge", f"--only={','.join(rivals)}")
    merged = found["cases"]["merge-spread-5000"]["outcomes"]
    assert {name: each["skipped"] for name, each in merged.items()} == dict.fromkeys(rivals, "")
    assert [list(case["outcomes"]) for case in found["cases"].values()] == [
        rivals, rivals, ["polars", "polars-eager"]
    ]  # fmt: skip
    assert "deltalake 1." in told  # versions are those of the environment that it runs in


def test_a_row_that_is_lost_twice_there_or_older_is_seen(tmp_path: Path) -> None:
    path = make_changes(tmp_path, AMOUNTS)
    days = sorted((path / "days").glob("*.parquet"))
    current = path / "current.parquet"
    assert expected_digest(days) == digest_of([current])
    assert expected_digest(days).rows == AMOUNTS.keys
    made = tmp_path / "made.parquet"
    for wrong in (
        "FROM current WHERE id <> 7",
        "FROM current UNION ALL FROM current WHERE id = 7",
        "SELECT * REPLACE (if(id = 7, amount + 0.01, amount) AS amount) FROM current",
        "SELECT * REPLACE (coalesce(note, '') AS note) FROM current",
    ):
        query = wrong.replace("current", f"'{current}'")
        duckdb.execute(f"COPY ({query}) TO '{made}' (FORMAT parquet)")
        assert digest_of([made]) != expected_digest(days)


def test_a_tenth_of_a_delta_is_new_and_no_key_comes_twice(tmp_path: Path) -> None:
    path = make_changes(tmp_path, AMOUNTS)
    for delta in ("spread", "recent"):
        [found] = duckdb.execute(
            f"SELECT count(*), count(DISTINCT id), count_if(id >= {AMOUNTS.keys}), min(id)"  # noqa: S608
            f" FROM '{path}/{delta}/*.parquet'"
        ).fetchall()
        assert found[:3] == (50, 50, 5)
        assert (found[3] == AMOUNTS.keys - 45) == (delta == "recent")
    assert make_changes(tmp_path, AMOUNTS) == path
