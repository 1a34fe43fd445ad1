"""The columns of a block's rows: every value's place, without a loop over rows.

Columns are taken a window at a time: all that stand at the same distance from each other in
every row, up to the length of the first that varies. One gather fetches the window of all rows.
Which columns keep their length is guessed from a few rows and then checked in all.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bronze_engine.sources.copy_binary.cells import Bytes, Cells, Lengths, Mask, Positions, gather
from bronze_engine.sources.copy_binary.framing import (
    COUNT_BYTES,
    LENGTH_BYTES,
    NULL,
    TRAILER,
    BrokenFraming,
    ends_block,
)
from bronze_engine.sources.copy_binary.starts import candidates, chained

__all__ = ["Shape", "columns_of", "count_of_empty"]

_WINDOW_BYTES: Final = 128
"""A window ends with the first column past this: its rows are read once for each of its columns,
and should still be in the cache then."""

_SHORT_BYTES: Final = 40
"""Values up to this are fetched with the window where all rows have the same length: flags,
codes, padded text."""

_LENGTH: Final = struct.Struct("!i")


class Shape(NamedTuple):
    """What is known of a column's values before they are seen."""

    width: int | None
    """Bytes of each that is not NULL; None where they differ."""
    head_bytes: int
    """What is fetched with the length, where they differ: their reader looks at it."""


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
    except _Astray:
        starts = candidates(data, begin, end, widths, first_is_null=True)
        starts = chained(data, starts, begin, end, widths)
    try:
        return _walk(data, starts, begin, end, shapes)
    except _Astray as exc:  # pragma: no cover  # chained has followed every row
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


class _Astray(Exception):
    """Not all of the starts begin rows."""


def _walk(
    data: Bytes, starts: Positions, begin: int, end: int, shapes: Sequence[Shape]
) -> list[Cells]:
    """The cells of rows that begin at `starts`. Raises _Astray unless each is followed by the
    next, from `begin` to `end`: then there are no others."""
    if not len(starts):
        if ends_block(data, begin, end):
            return [Cells(data, starts, 0) for _ in shapes]
        raise _Astray
    if starts[0] != begin:
        raise _Astray
    guesses = _guess(data, starts, end, shapes)
    columns: list[Cells] = []
    base = starts + COUNT_BYTES
    while len(columns) < len(shapes):
        base = _window(data, base, end, shapes, guesses, columns)
    if not (ends_block(data, int(base[-1]), end) and (base[:-1] == starts[1:]).all()):
        raise _Astray
    return columns


def _all_of(lengths: Lengths, width: int, nulls: Mask | None) -> bool:
    same: Mask = lengths == width
    if nulls is not None:
        same |= nulls
    return bool(same.all())


def _guess(data: Bytes, starts: Positions, end: int, shapes: Sequence[Shape]) -> list[int | None]:
    """The length that each column may have in all rows; None where it varies or is long."""
    last = len(starts) - 1
    sample = {0, min(1, last), last // 3, last // 3 * 2, last}
    buffer: Any = data  # the stubs do not know that an array is a buffer
    guesses: list[int | None] = []
    for place in starts[sorted(sample)].tolist():
        lengths = _lengths_of_row(memoryview(buffer), place + COUNT_BYTES, end, len(shapes))
        if not guesses:
            guesses = [
                length if length <= _SHORT_BYTES and not shape.head_bytes else None
                for length, shape in zip(lengths, shapes, strict=True)
            ]
        else:
            guesses = [
                guess if guess == length else None
                for guess, length in zip(guesses, lengths, strict=True)
            ]
    return guesses


def _lengths_of_row(data: memoryview, place: int, end: int, count: int) -> list[int]:
    lengths: list[int] = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, place)
        lengths.append(length)
        place += LENGTH_BYTES + max(length, 0)
        if length < NULL or place > end:
            raise _Astray
    return lengths


def _window(
    data: Bytes,
    base: Positions,
    end: int,
    shapes: Sequence[Shape],
    guesses: Sequence[int | None],
    columns: list[Cells],
) -> Positions:
    """Add the cells of the next columns, which begin at `base`; return where others begin."""
    stop, size, varies = len(columns), 0, False
    while stop < len(shapes) and size < _WINDOW_BYTES and not varies:
        guess = guesses[stop]
        varies = guess is None
        size += LENGTH_BYTES + (shapes[stop].head_bytes if guess is None else max(guess, 0))
        stop += 1
    window = gather(data, base, size)
    offset = 0
    for at in range(len(columns), stop):
        words = window[:, offset : offset + LENGTH_BYTES].view(">i4")[:, 0]
        offset += LENGTH_BYTES
        guess, width = guesses[at], shapes[at].width
        if guess is not None and (words == guess).all():
            nulls = None if guess >= 0 else np.ones(len(base), np.bool_)
            if width is not None and guess not in (width, NULL):
                raise _Astray
            length = max(guess, 0)
            columns.append(Cells(data, base, length, nulls, offset=offset, window=window))
            offset += length
            continue
        lengths = words.astype(np.int32)
        nulls = None
        least = int(lengths.min())
        if least < 0:
            if least < NULL:
                raise _Astray
            nulls = lengths < 0
            np.maximum(lengths, 0, out=lengths)
        if (
            width is not None
            and not ((lengths == width) if nulls is None else (lengths == width) | nulls).all()
        ):
            raise _Astray
        columns.append(Cells(data, base, lengths, nulls, offset=offset, window=window))
        base = base + offset
        base += lengths
        if int(base.max()) > end:
            raise _Astray
        return base
    base = base + offset
    if int(base.max()) > end:
        raise _Astray
    return base
