"""What the end of a Parquet file says of its columns: the least and the greatest values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.part import DataFile

__all__ = ["Bounds", "bounds_of", "has_bounds", "parse_footer", "read_footer"]

_TAIL_BYTES: Final = 64 * 1024
_END_BYTES: Final = 8
"""The length of the footer, little-endian, and `PAR1`
(https://parquet.apache.org/docs/file-format/)."""
_ORDERED: Final = (int, str, date, datetime)
"""Values whose bounds all engines compare alike. Those of floats say nothing of NaN and -0.0, and
JSON has no decimals."""


class Bounds(msgspec.Struct, frozen=True):
    """Of one column over all row groups of a file."""

    nulls: int
    low: Any = None
    high: Any = None
    """Both None where they are not known: rows may hold anything then."""


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


def bounds_of(metadata: Any) -> dict[str, Bounds]:
    """By name, of the columns that are no part of another; a column without statistics is left
    out."""
    found: dict[str, Bounds] = {}
    names = metadata.schema.to_arrow_schema().names
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        if column.max_repetition_level or column.path not in names:
            continue
        groups = [metadata.row_group(at).column(index) for at in range(metadata.num_row_groups)]
        bounds = _over([group.statistics for group in groups])
        if bounds is not None:
            found[column.path] = bounds
    return found


def _over(statistics: list[Any]) -> Bounds | None:
    if not statistics or any(each is None or not each.has_null_count for each in statistics):
        return None
    nulls = sum(each.null_count for each in statistics)
    filled = [each for each in statistics if each.num_values]
    if not filled or not all(map(has_bounds, filled)):
        return Bounds(nulls)
    low, high = min(each.min for each in filled), max(each.max for each in filled)
    is_ordered = isinstance(low, _ORDERED) and not isinstance(low, bool)
    return Bounds(nulls, low, high) if is_ordered else Bounds(nulls)


def has_bounds(statistics: Any) -> bool:
    """Whether the bounds of one row group can be told: Python has no year past 9999."""
    try:
        bounds = (statistics.min, statistics.max)
    except (ValueError, OverflowError, pa.ArrowException):
        return False
    return bool(statistics.has_min_max) and None not in bounds
