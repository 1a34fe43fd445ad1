"""Rows as digests of fixed size, by which any number of them is compared in bounded memory.

A record is the digest of a row's key and the sum of the digests of the rows that have it. Two
different texts have the same 128 bits once in 2^64 pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array, scalar
from bronze_engine.model.types.time_text import is_day_or_instant, time_texts
from bronze_engine.reading.cells import plain

__all__ = ["RECORD", "Records", "digests_of", "folded", "records_of"]

RECORD: Final = np.dtype(
    [("k0", "<u8"), ("k1", "<u8"), ("r0", "<u8"), ("r1", "<u8"), ("rows", "<u8")]
)
"""Key, sum of its rows, and how many rows that are."""

Records: TypeAlias = npt.NDArray[Any]

_NULL: Final = scalar(b"N", pa.binary())
_NOTHING: Final = scalar(b"", pa.binary())
_BETWEEN: Final = scalar(b"|", pa.binary())


def records_of(batch: pa.RecordBatch, key: Sequence[str], columns: Sequence[str]) -> Records:
    """One record for each key of the batch; without a key the row is its own."""
    rows = digests_of(batch, columns)
    keys = digests_of(batch, key) if key else rows
    records = np.empty(batch.num_rows, RECORD)
    records["k0"], records["k1"] = keys[:, 0], keys[:, 1]
    records["r0"], records["r1"] = rows[:, 0], rows[:, 1]
    records["rows"] = 1
    return folded(records)


def folded(records: Records) -> Records:
    """One record a key, in the order of their digests. The rows of a key have no order."""
    if len(records) == 0:
        return records
    ordered = records[np.lexsort((records["k1"], records["k0"]))]
    is_first = np.empty(len(ordered), np.bool_)
    is_first[0] = True
    is_first[1:] = (ordered["k0"][1:] != ordered["k0"][:-1]) | (
        ordered["k1"][1:] != ordered["k1"][:-1]
    )
    starts = np.flatnonzero(is_first)
    result = ordered[starts]
    for field in ("r0", "r1", "rows"):
        result[field] = np.add.reduceat(ordered[field], starts)
    return result


def digests_of(batch: pa.RecordBatch, columns: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Two words a row. NULL differs from the empty text, and no two columns run together."""
    if not columns:
        return np.zeros((batch.num_rows, 2), np.uint64)
    parts: list[Array] = []
    for name in columns:
        value = _bytes_of(batch.column(name))
        length = pc.binary_length(value).cast(pa.string()).cast(pa.binary())
        parts += [pc.fill_null(length, _NULL), pc.fill_null(value, _NOTHING)]
    joined: Any = pc.binary_join_element_wise
    whole = joined(*parts, _BETWEEN).to_pylist()
    digests = b"".join([blake2b(row, digest_size=16).digest() for row in whole])
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def _bytes_of(column: Array) -> Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _bytes_of(column.cast(kind.value_type))
    if pa.types.is_nested(kind):
        rows = [msgspec.json.encode(plain(each)) if each.is_valid else None for each in column]
        return pa.array(rows, pa.binary())
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if is_bytes or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary())
    text = time_texts(column) if is_day_or_instant(kind) else column.cast(pa.string())
    return text.cast(pa.binary())
