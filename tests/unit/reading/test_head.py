"""The first rows come exact, from as few files and bytes as they take."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine import ConfigError, StateError, open_reader
from bronze_engine.reading.cells import plain
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import (
    DAY,
    FILES,
    LATE,
    NAME,
    ROWS,
    Interrupted,
    land,
    lending,
)
from tests.unit.reading.tables import land_tables

pytestmark = pytest.mark.unit


def first(store: MemoryStore | Interrupted, rows: int, *columns: str) -> pa.Table:
    with open_reader("anywhere", stores=lending(store)) as reader:
        return reader.first_rows(NAME, DAY, rows=rows, columns=columns or None)[1]


def landed(**options: Any) -> Interrupted:
    store = MemoryStore()
    asyncio.run(land(store, 1, **options))
    return Interrupted(store)


def test_rows_come_in_the_manifests_order_and_no_more_than_asked() -> None:
    store = landed()
    for rows in (0, 1, ROWS, ROWS + 3, FILES * ROWS + 9):
        table = first(store, rows)
        assert table.column("id").to_pylist() == list(range(min(rows, FILES * ROWS)))
    assert table.schema.names == ["id", "run", "text", LATE]
    assert table.column(LATE).to_pylist()[:ROWS] == [None] * ROWS


def test_only_the_files_and_bytes_that_it_takes_are_read() -> None:
    store = landed(rows=200_000, files=2)
    with open_reader("anywhere", stores=lending(store)) as reader:
        size = sum(file.size_bytes for file in reader.read_manifest(NAME, DAY).files)
    store.calls.clear()
    assert len(first(store, 10, "id")) == 10
    reads = [call.split() for call in store.calls if call.startswith("read")]
    assert len({key for _, key, *_ in reads}) == 1
    assert sum(int(length) for *_, length in reads) < size / 4


def test_columns_come_in_the_order_asked_also_from_files_that_lack_them() -> None:
    table = first(landed(), ROWS + 1, LATE, "id")
    assert table.schema.names == [LATE, "id"]
    assert table.column(LATE).to_pylist() == [None] * ROWS + ["late 0"]
    assert first(landed(), 2, LATE).column(LATE).to_pylist() == [None, None]
    with pytest.raises(ConfigError, match=r"no column 'nmae'; known are 'coupon', 'id'"):
        first(landed(), 1, "nmae")


def test_a_partition_without_rows_and_one_without_files_have_none() -> None:
    store = MemoryStore()
    asyncio.run(land_tables(store, DAY))
    assert first(store, 5).num_rows == 0
    with (
        open_reader("anywhere", stores=lending(store)) as reader,
        pytest.raises(StateError, match="nothing was committed"),
    ):
        reader.first_rows(NAME, date(2025, 2, 1), rows=1)


def test_a_partition_that_is_replaced_meanwhile_is_read_anew() -> None:
    store = MemoryStore()
    asyncio.run(land(store, 1))
    racing = Interrupted(store)
    racing.actions[2] = lambda: land(store, 2)  # between the manifest and the first file
    table = first(racing, 3)
    assert table.column("run").to_pylist() == [2, 2, 2]


VALUES: dict[str, tuple[Any, Any]] = {
    "big": (pa.array([2**63 - 1], pa.int64()), 2**63 - 1),
    "decimal": (pa.array([Decimal("1.50")], pa.decimal128(38, 2)), "1.50"),
    "wide": (pa.array([Decimal("-3E40")], pa.decimal256(60, 2)), f"-3{'0' * 40}.00"),
    "instant": (
        pa.array([datetime(2025, 1, 15, 1, 2, 3, 4, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "2025-01-15T01:02:03.000004Z",
    ),
    "nanos": (
        pa.array([1], pa.int64()).cast(pa.timestamp("ns")),
        "1970-01-01T00:00:00.000000001",
    ),
    "far": (
        pa.array([253_402_300_800], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp("us")),
        "10000-01-01T00:00:00.000000",
    ),
    "day": (pa.array([date(2025, 1, 15)]), "2025-01-15"),
    "time": (pa.array([time(1, 2, 3)], pa.time64("us")), "01:02:03.000000"),
    "none": (pa.array([None], pa.string()), None),
    "empty": (pa.array([""]), ""),
    "nan": (pa.array([float("nan")]), "NaN"),
    "endless": (pa.array([float("-inf")]), "-Infinity"),
    "bytes": (pa.array([b"\x00\xff"]), "0x00ff"),
    "flag": (pa.array([False]), False),
    "list": (pa.array([[Decimal("1.0"), None]], pa.list_(pa.decimal128(5, 1))), ["1.0", None]),
    "struct": (
        pa.array([{"a": date(2025, 1, 1), "b": None}]),
        {"a": "2025-01-01", "b": None},
    ),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [["k", 1]]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_written_exactly(kind: str) -> None:
    array, expected = VALUES[kind]
    assert plain(array[0]) == expected
    assert type(plain(array[0])) is type(expected)


def test_statistics_come_from_the_footers_of_all_files() -> None:
    store = MemoryStore()
    instants = pa.timestamp("us", "UTC")
    one = pa.table(
        {
            "id": pa.array([5, 3]),
            "amount": pa.array([Decimal("9.50"), None], pa.decimal128(10, 2)),
            "at": pa.array([10, 20], pa.int64()).cast(instants),
        }
    )
    two = pa.table(
        {
            "id": pa.array([1]),
            "amount": pa.array([Decimal(-1)], pa.decimal128(10, 2)),
            "at": pa.array([None], instants),
            LATE: pa.array(["b"]),
            "tags": pa.array([["x"]]),
        }
    )
    asyncio.run(land_tables(store, DAY, one, two, schema=two.schema, row_group_size=1))
    reads = Interrupted(store)
    with open_reader("anywhere", stores=lending(reads)) as reader:
        _, statistics = reader.column_statistics(NAME, DAY)
    found = {each.column: each for each in statistics}
    assert (found["id"].nulls, found["id"].low, found["id"].high) == (0, 1, 5)
    amount = found["amount"]
    assert (amount.nulls, amount.low, amount.high) == (1, "-1.00", "9.50")
    assert (found["at"].nulls, found["at"].low) == (1, "1970-01-01T00:00:00.000010Z")
    assert (found[LATE].nulls, found[LATE].low, found[LATE].high) == (2, "b", "b")
    assert (found["tags"].nulls, found["tags"].low) == (None, None)
