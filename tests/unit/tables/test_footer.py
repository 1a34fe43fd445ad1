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
from bronze_engine.tables.footer import parse_footer, read_footer
from bronze_engine.tables.iceberg.commit import _without_statistics

pytestmark = pytest.mark.unit


def parquet(columns: dict[str, Any], rows_per_group: int = 2) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=rows_per_group)
    return sink.getvalue()


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
