"""A small version of the benchmark of files: what it counts is checked."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from benchmarks.data.files import make_file
from benchmarks.data.files_landed import expected_facts, read_back
from benchmarks.harness.environment import RIVALS

from tests.benching import bench

pytestmark = pytest.mark.integration

ROWS = 3000


@pytest.mark.slow
def test_ours_lands_every_format_and_is_checked(tmp_path: Path) -> None:
    _, found = bench(tmp_path, "files", "--only=ours")
    assert [name.partition("-")[0] for name in found["cases"]] == [
        "csv", "ndjson", "fixed", "parquet"
    ]  # fmt: skip
    for case in found["cases"].values():
        landed = case["outcomes"]["ours"]["landed"]
        assert [run["amount"] for run in case["outcomes"]["ours"]["runs"]] == [landed["amount"]]
        assert (landed["changed"], landed["codec"]) == ([], "zstd")
        assert landed["types"]["amount"] == "DECIMAL(12,2)"
        assert landed["types"]["changed_at"] == "TIMESTAMP"


@pytest.mark.slow
@pytest.mark.skipif(not RIVALS.exists(), reason="make .bench-venv/.rivals installs the rivals")
def test_rivals_land_every_row(tmp_path: Path) -> None:
    _, found = bench(tmp_path, "files", "--only=pyarrow,duckdb,python")
    for name, case in found["cases"].items():
        for rival, outcome in case["outcomes"].items():
            assert len(outcome["runs"]) == 1, (name, rival, outcome["skipped"])
            assert outcome["landed"]["changed"] == [], (name, rival)


def test_lost_rows_and_changed_values_are_seen(tmp_path: Path) -> None:
    file = make_file(tmp_path, "parquet", ROWS)
    facts = expected_facts(ROWS)
    assert read_back(ROWS, facts, [file]).changed == []
    for change, seen in (
        ("* REPLACE (amount + CASE id WHEN 7 THEN 0.01 ELSE 0 END AS amount)", ["amount"]),
        ("* REPLACE (coalesce(note, '') AS note)", ["note"]),
        ("* REPLACE (ltrim(account, '0') AS account)", ["account"]),
    ):
        copy = tmp_path / "changed.parquet"
        duckdb.execute(f"COPY (SELECT {change} FROM '{file}') TO '{copy}' (FORMAT parquet)")  # noqa: S608
        assert read_back(ROWS, facts, [copy]).changed == seen
    duckdb.execute(f"COPY (FROM '{file}' WHERE id <> 9) TO '{copy}' (FORMAT parquet)")
    with pytest.raises(AssertionError, match="landed 2999 rows of 3000"):
        read_back(ROWS, facts, [copy])
    with pytest.raises(AssertionError, match="nothing landed"):
        read_back(ROWS, facts, [])
