"""A small version of the benchmark of databases: what it counts is checked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.data.tables import Table
from benchmarks.data.tables_landed import read_back
from benchmarks.harness.environment import RIVALS

from tests.benching import bench

pytestmark = pytest.mark.integration

TABLE = Table(
    "small",
    {"id": "integer", "amount": "decimal", "uid": "uuid", "note": "text"},
    lambda _server, _folder: None,
)
UIDS = ["00000001-1111-1111-1111-111111111111", "0000000a-1111-1111-1111-111111111111"]
HELD = {"": "2", "id": "2 3", "amount": "1 10.25", "uid": "2 11", "note": "2 7"}


def small(**columns: Any) -> pa.Table:
    kept: dict[str, Any] = {
        "id": [1, 2],
        "amount": pa.array([Decimal("10.25"), None], pa.decimal128(18, 4)),
        "uid": UIDS,
        "note": ["a", "é\nb ".strip()],
    }
    return pa.table(kept | columns)


@pytest.mark.slow
def test_ours_is_run_checked_and_compared_with_the_limit(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "postgres", "--only=ours,bronze-run,psql", rounds=2)
    assert "of psql's rows/s (asked: 0.9)" in told
    [case] = found["cases"].values()
    assert case["title"].startswith("A table of many types, 2,000 rows of PostgreSQL 1")
    for outcome in case["outcomes"].values():
        assert [run["amount"] for run in outcome["runs"]] == [2000, 2000]
        assert all(0 < run["cpu_seconds"] < run["process_cpu_seconds"] for run in outcome["runs"])
    for name in ("ours", "bronze-run"):
        landed = case["outcomes"][name]["landed"]
        assert (landed["changed"], landed["codec"]) == ([], "zstd")
        assert landed["types"]["amount"] == "DECIMAL(18,4)"


@pytest.mark.slow
@pytest.mark.skipif(not RIVALS.exists(), reason="make .bench-venv/.rivals installs the rivals")
def test_rivals_land_every_row(tmp_path: Path) -> None:
    rivals = ["duckdb", "adbc", "connectorx", "dlt"]
    _, found = bench(tmp_path, "postgres", f"--only={','.join(rivals)}")
    [case] = found["cases"].values()
    for name in rivals:
        outcome = case["outcomes"][name]
        assert [run["amount"] for run in outcome["runs"]] == [2000], outcome["skipped"]


def test_what_is_as_the_server_has_it_is_found_so_in_other_types(tmp_path: Path) -> None:
    table = small(note=["a", "é\nbcd"])
    cast = table.set_column(1, "amount", table["amount"].cast(pa.string()))
    for number, each in enumerate([table, cast]):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(each, file, compression="zstd")
        landed = read_back(TABLE, HELD, [file])
        assert (landed.amount, landed.changed, landed.codec, landed.files) == (2, [], "zstd", 1)
        assert landed.types["amount"] == ["DECIMAL(18,4)", "VARCHAR"][number]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", pa.array([Decimal("10.26"), None], pa.decimal128(18, 4))),
        ("amount", pa.array([Decimal("10.25"), Decimal(0)], pa.decimal128(18, 4))),
        ("uid", ["[0 0 0 1 17 17]", UIDS[1]]),
        ("note", ["a", "é\nbc"]),
    ],
)
def test_a_changed_value_is_seen(tmp_path: Path, column: str, values: Any) -> None:
    columns = {"note": ["a", "é\nbcd"], column: values}
    pq.write_table(small(**columns), tmp_path / "a.parquet")
    assert read_back(TABLE, HELD, [tmp_path / "a.parquet"]).changed == [column]


def test_a_lost_row_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    for wrong in (small().slice(1), small(id=[1, 3]), small().drop_columns(["uid"])):
        pq.write_table(wrong, file)
        with pytest.raises(AssertionError):
            read_back(TABLE, HELD, [file])
    with pytest.raises(AssertionError, match="nothing landed"):
        read_back(TABLE, HELD, [])
