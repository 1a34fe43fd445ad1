"""The columns of a block's rows: every value's place, without a loop over rows.

starts.py says where rows begin, windows.py follows their columns, and what both say must agree:
each row ends where the next one begins. Where it does not, some of the starts were false.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from bronze_engine.sources.copy_binary.cells import Bytes, Cells, Positions
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
    try:
        return _walk(data, starts, begin, end, shapes)
    except Astray:
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
        raise Astray
    if starts[0] != begin:
        raise Astray
    guesses = _guesses(data, starts, end, shapes)
    columns, ends = Windows(data, starts, end, shapes, guesses).cells()
    if not (ends_block(data, int(ends[-1]), end) and (ends[:-1] == starts[1:]).all()):
        raise Astray
    return columns


def _guesses(data: Bytes, starts: Positions, end: int, shapes: Sequence[Shape]) -> list[int | None]:
    """The length that most values of each column seem to have; None where there is none, or it
    is not worth fetching."""
    last = len(starts) - 1
    sample = sorted({last * at // (_SAMPLE_ROWS - 1) for at in range(_SAMPLE_ROWS)})
    buffer: Any = data  # the stubs do not know that an array is a buffer
    rows = [
        _lengths_of_row(memoryview(buffer), start + COUNT_BYTES, end, len(shapes))
        for start in starts[sample].tolist()
    ]
    guesses: list[int | None] = []
    for lengths in map(sorted, zip(*rows, strict=True)):
        middle = lengths[len(lengths) // 2]
        is_usual = 4 * lengths.count(middle) >= 3 * len(lengths)
        guesses.append(middle if is_usual and middle <= _SHORT_BYTES else None)
    return guesses


def _lengths_of_row(data: memoryview, place: int, end: int, count: int) -> list[int]:
    lengths: list[int] = []
    for _ in range(count):
        if place > end:
            raise Astray
        (length,) = _LENGTH.unpack_from(data, place)
        lengths.append(length)
        place += LENGTH_BYTES
        if length > 0:
            place += length
        elif length < NULL:
            raise Astray
    return lengths
