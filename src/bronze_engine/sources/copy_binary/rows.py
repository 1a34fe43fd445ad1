"""The columns of a block's rows: every value's place, without a loop over rows.

starts.py says where rows begin, windows.py follows their columns, and what both say must agree:
each row ends where the next one begins. Where it does not, some of the starts were false.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bronze_engine.sources.copy_binary.cells import Bytes, Cells, Mask, Positions
from bronze_engine.sources.copy_binary.framing import (
    COUNT_BYTES,
    LENGTH_BYTES,
    NULL,
    TRAILER,
    BrokenFraming,
    ends_block,
)
from bronze_engine.sources.copy_binary.starts import candidates, chained
from bronze_engine.sources.copy_binary.windows import Astray, Shape, Windows

__all__ = ["columns_of", "count_of_empty"]

_SHORT_BYTES: Final = 40
"""Values up to this are fetched with their window where most rows have the same length: flags,
codes, padded text."""

_ATTEMPTS: Final = 3
"""Walks before the chain is followed row by row: false starts by chance are few, and the first
walk meets a length that rules them out."""

_FEW: Final = 8
"""Starts that are ruled out are few where they are at most one in so many."""

_SAMPLE_ROWS: Final = 7
_LENGTH: Final = struct.Struct("!i")


def columns_of(
    data: Bytes, begin: int, end: int, shapes: Sequence[Shape], *, first_is_null: bool
) -> list[Cells]:
    """The cells of each column of the rows in `data[begin:end]`: at least one column.

    The bytes may end with the trailer. Raises BrokenFraming where they are not whole
    rows, from the first byte to the last.
    """
    widths = [shape.width for shape in shapes]
    starts = candidates(data, begin, end, widths, first_is_null=first_is_null)
    for _ in range(_ATTEMPTS):
        try:
            return _walk(data, starts, begin, end, shapes)
        except Astray as exc:
            if not _are_few(exc.rows):
                break
            starts = starts[~exc.rows]
    starts = candidates(data, begin, end, widths, first_is_null=True)
    starts = chained(data, starts, begin, end, widths)
    try:
        return _walk(data, starts, begin, end, shapes)
    except Astray as exc:  # pragma: no cover  # chained has followed every row
        raise BrokenFraming("the rows do not add up") from exc


def count_of_empty(data: Bytes, begin: int, end: int) -> int:
    """How many rows without columns there are in `data[begin:end]`: each is a count of 0.

    Raises BrokenFraming where something else stands there.
    """
    if end - begin >= len(TRAILER) and ends_block(data, end - len(TRAILER), end):
        end -= len(TRAILER)
    counts = data[begin:end]
    if len(counts) % COUNT_BYTES or counts.any():
        raise BrokenFraming("rows without columns were expected, and there is more than that")
    return len(counts) // COUNT_BYTES


def _walk(
    data: Bytes, starts: Positions, begin: int, end: int, shapes: Sequence[Shape]
) -> list[Cells]:
    """The cells of rows that begin at `starts`. Raises Astray unless each is followed by the
    next, from `begin` to `end`: then there are no others."""
    if not len(starts):
        if ends_block(data, begin, end):
            return [Cells(data, starts, 0) for _ in shapes]
        raise Astray(np.zeros(0, np.bool_))
    guesses = _guesses(data, starts, end, shapes)
    columns, ends = Windows(data, starts, end, shapes, guesses).cells()
    follows = np.empty(len(starts), np.bool_)
    follows[0] = starts[0] == begin
    np.equal(starts[1:], ends[:-1], out=follows[1:])
    if not (follows.all() and ends_block(data, int(ends[-1]), end)):
        astray = ~follows
        raise Astray(astray & ~np.isin(starts, ends) if _are_few(astray) else astray)
    return columns


def _are_few(rows: Mask) -> bool:
    """Whether it is worth another walk to leave these out."""
    return 0 < int(np.count_nonzero(rows)) * _FEW <= len(rows)


def _guesses(data: Bytes, starts: Positions, end: int, shapes: Sequence[Shape]) -> list[int | None]:
    """The length that most values of each column seem to have; None where there is none, or it
    is not worth fetching."""
    last = len(starts) - 1
    nothing = [NULL] * len(shapes)
    sample = sorted({last * at // (_SAMPLE_ROWS - 1) for at in range(_SAMPLE_ROWS)})
    buffer: Any = data  # the stubs do not know that an array is a buffer
    rows = [
        _lengths_of_row(memoryview(buffer), start + COUNT_BYTES, end, len(shapes))
        for start in starts[sample].tolist()
    ]
    guesses: list[int | None] = []
    for lengths in map(sorted, zip(*(row or nothing for row in rows), strict=True)):
        middle = lengths[len(lengths) // 2]
        is_usual = 4 * lengths.count(middle) >= 3 * len(lengths)
        guesses.append(middle if is_usual and middle <= _SHORT_BYTES else None)
    return guesses


def _lengths_of_row(data: memoryview, place: int, end: int, count: int) -> list[int] | None:
    """The lengths of one row; None where it is none."""
    lengths: list[int] = []
    for _ in range(count):
        if place > end:
            return None
        (length,) = _LENGTH.unpack_from(data, place)
        lengths.append(length)
        place += LENGTH_BYTES
        if length > 0:
            place += length
        elif length < NULL:
            return None
    return lengths
