"""The first rows of a partition are read without its whole file."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.contracts import Store
from bronze_engine.demo.landed import first_rows, read_landed
from bronze_engine.errors import StoreError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from bronze_engine.model.part import ANY, DataFile
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

PARTITION = "demo/orders/dt=2025-01-15"
WRITTEN = Path(__file__).parents[1] / "publish/golden/manifest-1.json"


class Counting(FaultyStore):
    """Counts the bytes that are read as streams."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Script())
        self.bytes_read = 0

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().read(key, start=start, length=length) as chunks:

            async def counted() -> AsyncIterator[bytes]:
                async for chunk in chunks:
                    self.bytes_read += len(chunk)
                    yield chunk

            yield counted()


def manifest(*files: DataFile) -> Manifest:
    return msgspec.structs.replace(decode_manifest(WRITTEN.read_bytes(), "golden"), files=files)


def parquet(columns: int, *, row_group_size: int = 1000) -> bytes:
    table = pa.table({f"column {n}": pa.array(range(10_000)) for n in range(columns)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=row_group_size, compression="none")
    return sink.getvalue()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("columns", "row_group_size"),
    [(1, 10_000), (3, 1000), (300, 100)],
    ids=["one group", "several groups", "a footer of megabytes"],
)
async def test_the_first_rows_cost_a_footer_and_a_row_group(
    columns: int, row_group_size: int
) -> None:
    body = parquet(columns, row_group_size=row_group_size)
    file = DataFile(name="part.parquet", size_bytes=len(body), sha256="", row_count=10_000)
    store = Counting(MemoryStore())
    await store.put(f"{PARTITION}/part.parquet", body, expect=ANY)
    with Workers(1) as workers:
        rows = await first_rows(store, PARTITION, manifest(file), 5, workers)
    assert rows == [{f"column {n}": row for n in range(columns)} for row in range(5)]
    metadata = pq.read_metadata(pa.BufferReader(body))
    group = metadata.row_group(0).total_byte_size
    assert store.bytes_read <= 4 + group + max(64 * 1024, metadata.serialized_size + 8) + 64 * 1024


@pytest.mark.asyncio
async def test_no_file_has_no_rows() -> None:
    with Workers(1) as workers:
        assert await first_rows(MemoryStore(), PARTITION, manifest(), 5, workers) == []


@pytest.mark.asyncio
async def test_the_manifest_is_read_or_missed() -> None:
    store = MemoryStore()
    with pytest.raises(StoreError, match=r"_metadata\.json is gone"):
        await read_landed(store, PARTITION)
    await store.put(f"{PARTITION}/_metadata.json", encode_manifest(manifest()), expect=ANY)
    assert await read_landed(store, PARTITION) == manifest()
