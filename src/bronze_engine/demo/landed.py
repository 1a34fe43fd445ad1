"""What a run has landed, read from the store: the manifest, and the first rows of it."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.workers import Workers

__all__ = ["first_rows", "read_landed"]

_TAIL_BYTES: Final = 64 * 1024
"""Holds the footer of most files."""


async def read_landed(store: Store, partition: str) -> Manifest:
    """The manifest of a partition. Raises StoreError where there is none."""
    key = f"{partition}/{MANIFEST_NAME}"
    found = await store.get(key)
    if found is None:
        raise StoreError(f"{store.url}/{key} is gone: something else removed it; run again")
    return decode_manifest(found.body, key)


async def first_rows(
    store: Store, partition: str, manifest: Manifest, count: int, workers: Workers
) -> list[dict[str, Any]]:
    """At most `count` rows of the first file. Reads its footer and its first row group."""
    if not manifest.files:
        return []
    file = manifest.files[0]
    key = f"{partition}/{file.name}"
    tail = await _read(store, key, start=max(0, file.size_bytes - _TAIL_BYTES))
    footer_bytes = int.from_bytes(tail[-8:-4], "little") + 8
    if footer_bytes > len(tail):
        tail = await _read(store, key, start=file.size_bytes - footer_bytes)
    metadata = await workers.run(pq.read_metadata, pa.BufferReader(tail))
    end = max(_end(metadata.row_group(0).column(n)) for n in range(metadata.num_columns))
    head = await _read(store, key, length=end)
    return await workers.run(_rows, head, metadata, count)


async def _read(store: Store, key: str, *, start: int = 0, length: int | None = None) -> bytes:
    async with store.read(key, start=start, length=length) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _end(column: pq.ColumnChunkMetaData) -> int:
    first = column.dictionary_page_offset if column.has_dictionary_page else None
    return int((first or column.data_page_offset) + column.total_compressed_size)


def _rows(head: bytes, metadata: pq.FileMetaData, count: int) -> list[dict[str, Any]]:
    with pq.ParquetFile(pa.BufferReader(head), metadata=metadata) as file:
        rows: list[dict[str, Any]] = next(file.iter_batches(count, row_groups=[0])).to_pylist()
    return rows
