"""The end of a Parquet file, which says what its columns hold."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.part import DataFile

__all__ = ["has_bounds", "parse_footer", "read_footer"]

_TAIL_BYTES: Final = 64 * 1024
_END_BYTES: Final = 8
"""The length of the footer, little-endian, and `PAR1`
(https://parquet.apache.org/docs/file-format/)."""


async def read_footer(store: Store, key: str, file: DataFile) -> bytes:
    """The last bytes of a file, its footer among them. Raises StoreError (STG001)."""
    tail = await _tail(store, key, file, _TAIL_BYTES)
    needed = int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
    if tail[-4:] != b"PAR1" or needed > file.size_bytes:
        raise StoreError(
            f"{store.url}/{key} does not end as a Parquet file; look with `bronze verify`", key=key
        )
    return tail if needed <= len(tail) else await _tail(store, key, file, needed)


async def _tail(store: Store, key: str, file: DataFile, size: int) -> bytes:
    size = min(size, file.size_bytes)
    async with store.read(key, start=file.size_bytes - size, length=size) as chunks:
        return b"".join([chunk async for chunk in chunks])


def parse_footer(tail: bytes) -> Any:
    """pyarrow's FileMetaData. Raises StoreError (STG001) for what is none."""
    try:
        return pq.read_metadata(pa.BufferReader(tail))
    except (pa.ArrowException, OSError) as exc:
        raise StoreError(f"a footer can't be read ({exc}); look with `bronze verify`") from exc


def has_bounds(statistics: Any) -> bool:
    """Whether the bounds of one row group can be told: Python has no year past 9999."""
    try:
        bounds = (statistics.min, statistics.max)
    except (ValueError, OverflowError, pa.ArrowException):
        return False
    return bool(statistics.has_min_max) and None not in bounds
