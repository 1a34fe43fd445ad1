"""What rows weigh: bytes that add up row by row, however the rows came in batches.

`RecordBatch.nbytes` does not: it counts one offset more than there are rows, and bitmaps
only where there is a NULL. Each weight is read off two offsets a column, so that the row at
which a sum passes a limit is found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from bronze_engine.encode.indices import is_indices
from bronze_engine.model.arrow import Array, DataType

__all__ = ["Numbers", "row_weights", "rows_within", "weight"]

Numbers = np.ndarray[Any, np.dtype[np.int64]]

Offset = Literal["i", "q"]
"""Of 32 or 64 bits, as `memoryview.cast` knows them."""

_OFFSET_BYTES: Final = {"i": 4, "q": 8}


def weight(batch: pa.RecordBatch) -> int:
    """Bytes of values and offsets. A boolean counts as one, a NULL as what lies in its place."""
    fixed, others = _plan(batch.schema)
    rows = batch.num_rows
    return fixed * rows + sum(_weight(batch.column(place)) for place in others) if rows else 0


@lru_cache(maxsize=64)
def _plan(schema: pa.Schema) -> tuple[int, tuple[int, ...]]:
    """Bytes of a row in columns of one width, and the places of the other columns."""
    widths = [_width(field.type) for field in schema]
    others = tuple(place for place, width in enumerate(widths) if width is None)
    return sum(width for width in widths if width is not None), others


def _width(kind: DataType) -> int | None:
    """Bytes of each value; None where they differ."""
    if pa.types.is_null(kind):
        return 0
    if pa.types.is_boolean(kind):
        return 1
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        return int(kind.bit_width) // 8
    return None


def rows_within(batch: pa.RecordBatch, limit: int) -> int:
    """The least number of first rows that weigh `limit` or more; all of them where none do."""
    counts = range(1, batch.num_rows)
    return 1 + bisect_left(counts, limit, key=lambda count: weight(batch.slice(0, count)))


def row_weights(batch: pa.RecordBatch) -> Numbers:
    """What each row weighs: together what `weight` says."""
    fixed, others = _plan(batch.schema)
    found = np.full(batch.num_rows, fixed, np.int64)
    for place in others:
        found += _row_weights(batch.column(place))
    return found


def _row_weights(array: Array) -> Numbers:
    kind = array.type
    width = _width(kind)
    if width is not None:
        return np.full(len(array), width, np.int64)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return 4 + np.diff(_offsets(array, "i"))
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return 8 + np.diff(_offsets(array, "q"))
    if (pa.types.is_list(kind) or pa.types.is_map(kind)) and len(array):
        ends = _offsets(array, "i")
        within = _row_weights(array.values.slice(ends[0], ends[-1] - ends[0]))
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(within)])
        weights: Numbers = 4 + np.diff(sums[ends - ends[0]])
        return weights
    if is_indices(kind):  # as the texts themselves: row groups are the same either way
        of_each = np.append(_row_weights(array.dictionary), _OFFSET_BYTES["i"])
        known = array.indices.fill_null(len(of_each) - 1)
        places = np.frombuffer(known.buffers()[1], np.int32, len(known), 4 * known.offset)
        of_rows: Numbers = of_each[places]
        return of_rows
    if pa.types.is_struct(kind):
        found = np.zeros(len(array), np.int64)
        for place in range(kind.num_fields):
            found += _row_weights(array.field(place))
        return found
    whole = int(array.nbytes)  # of a type whose rows can't be told apart: an equal share each
    ends = np.arange(len(array) + 1, dtype=np.int64) * whole // max(1, len(array))
    return np.diff(ends)


def _weight(array: Array) -> int:
    kind = array.type
    count = len(array)
    if not count:
        return 0
    width = _width(kind)
    if width is not None:
        return width * count
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _bytes_of(array, "i")
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return _bytes_of(array, "q")
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        first, end = _ends(array, "i")
        return 4 * count + _weight(array.values.slice(first, end - first))
    if is_indices(kind):
        return int(_row_weights(array).sum())
    if pa.types.is_struct(kind):
        return sum(_weight(array.field(place)) for place in range(kind.num_fields))
    return int(array.nbytes)


def _bytes_of(array: Array, offset: Offset) -> int:
    first, end = _ends(array, offset)
    return _OFFSET_BYTES[offset] * len(array) + end - first


def _ends(array: Array, offset: Offset) -> tuple[int, int]:
    """Where the values of the first row begin and those of the last end."""
    offsets = memoryview(array.buffers()[1]).cast("B").cast(offset)
    return offsets[array.offset], offsets[array.offset + len(array)]


def _offsets(array: Array, offset: Offset) -> Numbers:
    """Where the values of each row begin, and those of the last one end."""
    if not len(array):
        return np.zeros(1, np.int64)
    kind = np.int32 if offset == "i" else np.int64
    buffer = np.frombuffer(array.buffers()[1], kind)
    return buffer[array.offset : array.offset + len(array) + 1].astype(np.int64)
