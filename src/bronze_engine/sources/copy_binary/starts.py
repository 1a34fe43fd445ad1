"""Where the rows of a block begin, found without walking through them.

A row begins with the count of its columns, two bytes that are the same in each row, and the
length of its first value; where that has a fixed width, the second's length has a fixed place.
A search for those bytes finds every row, and false starts: places inside of values that look
alike. What tells them apart is the chain. A row's lengths say where it ends, and there the next
one begins. The first row begins the block, so what the chain leads to is a row, and nothing else
is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bronze_engine.sources.copy_binary.buffers import empty
from bronze_engine.sources.copy_binary.cells import Bytes, Mask, Positions, gather
from bronze_engine.sources.copy_binary.framing import (
    COUNT_BYTES,
    LENGTH_BYTES,
    NULL,
    BrokenFraming,
    ends_block,
)

__all__ = ["candidates", "chained"]

_PRINTABLE: Final = range(32, 127)
_WORD_BYTES: Final = 8
_NULL_LENGTH: Final = 2**32 + NULL
"""The length of NULL, read as unsigned."""


def candidates(
    data: Bytes, begin: int, end: int, widths: Sequence[int | None], *, first_is_null: bool
) -> Positions:
    """Every place in `data[begin:end]` where a row of such columns may begin, in order.

    `widths` are the bytes of each column's values, None where they differ; at least one
    column. `first_is_null` says whether the first may be NULL.
    """
    first, count = widths[0], len(widths)
    anchor = count.to_bytes(COUNT_BYTES, "big")
    if first is not None and not first_is_null:
        anchor += first.to_bytes(LENGTH_BYTES, "big")
    rarest = _rarest(anchor, widths)
    searched = data[begin + rarest : end]
    matches = empty(len(searched), np.bool_)  # as large as the block: not in glibc's memory
    found = np.flatnonzero(np.equal(searched, anchor[rarest], out=matches))
    found += begin
    second = (
        COUNT_BYTES + LENGTH_BYTES + (first or 0)
    )  # where its length is, unless the first varies
    window = gather(data, found, second + LENGTH_BYTES)
    heads = window[:, :_WORD_BYTES].view(">u8")[:, 0] >> 16  # count and length
    if first is None:
        lengths = heads.astype(np.uint32).view(np.int32).astype(np.int64)
        fits = _fits(lengths, end - COUNT_BYTES - LENGTH_BYTES - found, None)
        fits &= heads >> 32 == count
    else:
        fits = heads == (count << 32 | first)
        if first_is_null:
            fits |= heads == (count << 32 | _NULL_LENGTH)
        elif count > 1:
            # a number that is the count of columns, before a column as wide as the first, looks
            # like a row up to here
            lengths = window[:, second:].view(">i4")[:, 0].astype(np.int32)
            width = widths[1]
            fits &= lengths >= NULL if width is None else (lengths == width) | (lengths == NULL)
    rows: Positions = found[fits]
    return rows


def chained(
    data: Bytes, starts: Positions, begin: int, end: int, widths: Sequence[int | None]
) -> Positions:
    """Those of `starts` that the chain from `begin` leads to.

    A loop over candidates, for blocks that have false ones. Raises BrokenFraming where the
    chain doesn't reach the end.
    """
    ends = _ends(data, starts, end, widths)
    places, leads = starts.tolist(), ends.tolist()
    following = np.searchsorted(starts, ends).tolist()
    kept: list[int] = []
    at, place = 0, begin
    while not ends_block(data, place, end):
        if at == len(places) or places[at] != place or not leads[at]:
            raise BrokenFraming(_reason(data, begin, place, len(kept), len(widths)))
        kept.append(at)
        at, place = following[at], leads[at]
    return starts[kept]


def _rarest(anchor: bytes, widths: Sequence[int | None]) -> int:
    """The place in `anchor` of the byte that is rarest in ordinary rows."""

    def frequency(place: int) -> int:
        byte = anchor[place]
        if not byte:
            return 1000  # most bytes of counts, lengths and small numbers
        if byte in _PRINTABLE:
            return 100
        return sum(width == byte for width in widths) + (3 if byte <= LENGTH_BYTES else 0)

    return min(range(len(anchor)), key=frequency)


def _ends(data: Bytes, starts: Positions, end: int, widths: Sequence[int | None]) -> Positions:
    """Where a row that begins at each start would end; 0 where none can begin."""
    ends = np.zeros_like(starts)
    alive = np.arange(len(starts))
    places = starts + COUNT_BYTES
    for width in widths:
        lengths = _lengths(data, places)
        places += LENGTH_BYTES
        fits = _fits(lengths, end - places, width)
        if not fits.all():
            alive, places, lengths = alive[fits], places[fits], lengths[fits]
        places += np.maximum(lengths, 0)
    ends[alive] = places
    return ends


def _lengths(data: Bytes, places: Positions) -> Positions:
    lengths: Positions = gather(data, places, LENGTH_BYTES).view(">i4")[:, 0].astype(np.int64)
    return lengths


def _fits(lengths: Positions, room: Positions, width: int | None) -> Mask:
    fits: Mask = lengths <= room if width is None else (lengths == width) | (lengths == NULL)
    fits &= (lengths >= NULL) & (np.maximum(lengths, 0) <= room)
    return fits


def _reason(data: Bytes, begin: int, place: int, rows: int, columns: int) -> str:
    """Why no row of so many columns begins at `place`, behind so many rows."""
    where = f"behind row {rows}, at byte {place - begin}," if rows else "at the beginning"
    count = int.from_bytes(data[place : place + COUNT_BYTES].tobytes(), "big", signed=True)
    if count == columns:
        return f"{where} a row has a length that its column, or what follows, has no room for"
    return f"{where} a row of {columns} columns was expected, and {count} was read as their count"
