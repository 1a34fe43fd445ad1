"""What footers say of columns, and what they can't say."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ANY, DataFile
from bronze_engine.store.memory import MemoryStore
from bronze_engine.tables.footer import Bounds, bounds_of, parse_footer, read_footer
from bronze_engine.tables.iceberg.commit import _without_statistics

pytestmark = pytest.mark.unit


def parquet(columns: dict[str, Any], rows_per_group: int = 2) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=rows_per_group)
    return sink.getvalue()


def bounds(columns: dict[str, Any]) -> dict[str, Bounds]:
    return bounds_of(parse_footer(parquet(columns)))


def test_bounds_are_those_of_all_row_groups() -> None:
    found = bounds({"a": [3, 1, None, 2], "s": ["b", "a", "ü", None], "n": [None] * 4})
    assert found["a"] == Bounds(1, 1, 3)
    assert found["s"] == Bounds(1, "a", "ü")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0.5, float("nan")]),
        pa.array([2**61, 0], pa.timestamp("us")),  # the year 75,039
        pa.array([2**30, 0], pa.date32()),
        pa.array([b"a", b"b"]),
        pa.array([True, False]),
        pa.nulls(2, pa.string()),
    ],
    ids=["float", "timestamp", "date", "binary", "bool", "null"],
)
def test_what_can_t_be_compared_or_told_has_none(column: Any) -> None:
    found = bounds({"v": column})["v"]
    assert (found.low, found.high) == (None, None)


def test_columns_within_others_have_none() -> None:
    column = pa.array([{"x": 1}, None], pa.struct([pa.field("x", pa.int64())]))
    assert bounds({"v": column, "l": [[1], []]}) == {}


def test_pyiceberg_is_not_asked_for_what_python_has_no_value_of() -> None:
    columns = {"far": pa.array([2**61], pa.timestamp("us")), "near": [date(2025, 1, 15)]}
    assert _without_statistics(parse_footer(parquet(columns))) == {"far"}


@pytest.mark.asyncio
async def test_a_footer_that_is_long_is_read_whole() -> None:
    body = parquet({f"column {number} {'x' * 100}": [number] for number in range(400)})
    store = MemoryStore()
    await store.put("f", body, expect=ANY)
    file = DataFile(name="f", size_bytes=len(body), sha256="", row_count=1)
    assert parse_footer(await read_footer(store, "f", file)).num_columns == 400


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"PAR1 and nothing else", b"xx" * 10, b"\xff" * 12 + b"PAR1"])
async def test_what_is_no_parquet_file_is_told(body: bytes) -> None:
    store = MemoryStore()
    await store.put("f", body, expect=ANY)
    file = DataFile(name="f", size_bytes=len(body), sha256="", row_count=1)
    with pytest.raises(StoreError, match="does not end as a Parquet file"):
        await read_footer(store, "f", file)
