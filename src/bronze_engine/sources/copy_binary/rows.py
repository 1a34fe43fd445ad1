"""The columns of a block's rows: every value's place, without a loop over rows.

Columns are taken a window at a time: all that stand at the same distance from each other in
every row, up to the length of the first that varies. One gather fetches the window of all rows.
Which columns keep their length is guessed from the first two rows and then checked in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

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

__all__ = ["columns_of", "count_of_empty"]

_WINDOW_BYTES: Final = 128
"""A window ends with the first column past this: its rows are read once for each of its columns,
and should still be in the cache then."""

_SHORT_BYTES: Final = 40
"""Values up to this are fetched with the window where all rows have the same length: flags,
codes, padded text."""

_HEAD_BYTES: Final = 24
"""What is fetched of a column that varies: a numeric of 32 digits whole."""


def columns_of(
    data: Bytes, begin: int, end: int, widths: Sequence[int | None], *, first_is_null: bool
) -> list[Cells]:
    """The cells of each column of the rows in `data[begin:end]`.

    `widths` are the bytes of each column's values, None where they differ; at least one
    column. The bytes may end with the trailer. Raises BrokenFraming where they are not whole
    rows, from the first byte to the last.
    """
    starts = candidates(data, begin, end, widths, first_is_null=first_is_null)
    try:
        return _walk(data, starts, begin, end, widths)
    except _Astray:
        starts = candidates(data, begin, end, widths, first_is_null=True)
        starts = chained(data, starts, begin, end, widths)
    try:
        return _walk(data, starts, begin, end, widths)
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
    data: Bytes, starts: Positions, begin: int, end: int, widths: Sequence[int | None]
) -> list[Cells]:
    """The cells of rows that begin at `starts`. Raises _Astray unless each is followed by the
    next, from `begin` to `end`: then there are no others."""
    if not len(starts):
        if ends_block(data, begin, end):
            return [Cells(data, starts, 0) for _ in widths]
        raise _Astray
    if starts[0] != begin:
        raise _Astray
    guesses = _guess(data, starts, end, len(widths))
    columns: list[Cells] = []
    base = starts + COUNT_BYTES
    while len(columns) < len(widths):
        base = _window(data, base, end, widths, guesses, columns)
    if not (ends_block(data, int(base[-1]), end) and (base[:-1] == starts[1:]).all()):
        raise _Astray
    return columns


def _all_of(lengths: Lengths, width: int, nulls: Mask | None) -> bool:
    same: Mask = lengths == width
    if nulls is not None:
        same |= nulls
    return bool(same.all())


def _guess(data: Bytes, starts: Positions, end: int, count: int) -> list[int | None]:
    """The length that each column may have in all rows; None where it varies or is long."""
    guesses: list[int | None] = []
    first, second = int(starts[0]) + COUNT_BYTES, int(starts[min(1, len(starts) - 1)]) + COUNT_BYTES
    head: Any = data  # the stubs do not know that an array is a buffer
    head = memoryview(head)
    for _ in range(count):
        length = int.from_bytes(head[first : first + LENGTH_BYTES], "big", signed=True)
        other = int.from_bytes(head[second : second + LENGTH_BYTES], "big", signed=True)
        guesses.append(length if length == other and NULL <= length <= _SHORT_BYTES else None)
        first += LENGTH_BYTES + max(length, 0)
        second += LENGTH_BYTES + max(other, 0)
        if max(first, second) > end:
            raise _Astray
    return guesses


def _window(
    data: Bytes,
    base: Positions,
    end: int,
    widths: Sequence[int | None],
    guesses: Sequence[int | None],
    columns: list[Cells],
) -> Positions:
    """Add the cells of the next columns, which begin at `base`; return where others begin."""
    stop, size, varies = len(columns), 0, False
    while stop < len(widths) and size < _WINDOW_BYTES and not varies:
        guess = guesses[stop]
        varies = guess is None
        size += LENGTH_BYTES + (_HEAD_BYTES if guess is None else max(guess, 0))
        stop += 1
    window = gather(data, base, size)
    offset = 0
    for at in range(len(columns), stop):
        words = window[:, offset : offset + LENGTH_BYTES].view(">i4")[:, 0]
        offset += LENGTH_BYTES
        guess, width = guesses[at], widths[at]
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
