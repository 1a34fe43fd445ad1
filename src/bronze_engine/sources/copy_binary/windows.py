"""The cells of each column, a window at a time: the gathers of a walk over all rows at once.

A window holds the next columns of every row, a row each, as far as they keep their distance:
each has the length that was guessed for it. Where a few rows have another (NULL among numbers),
the rest of the window is fetched anew for those, and the columns go on as before. Where many
have, the window ends there, and another begins where the value of each row ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

import numpy as np

from bronze_engine.sources.copy_binary.cells import (
    Bytes,
    Cells,
    Lengths,
    Mask,
    Positions,
    Words,
    gather,
)
from bronze_engine.sources.copy_binary.framing import COUNT_BYTES, LENGTH_BYTES, NULL

__all__ = ["Astray", "Shape", "Windows"]

_WINDOW_BYTES: Final = 128
"""A window ends with the first column past this: it is read once for each of its columns, and
should still be in the cache then."""

_FEW: Final = 4
"""Rows of another length are few where they are at most one in so many."""


class Astray(Exception):
    """Not all of the starts begin rows; those of `rows`, where it can be said, do not."""

    def __init__(self, rows: Mask) -> None:
        super().__init__()
        self.rows = rows


class Shape(NamedTuple):
    """What is known of a column's values before they are seen."""

    width: int | None
    """Bytes of each that is not NULL; None where they differ."""
    head_bytes: int
    """What is fetched with the length, where they differ: their reader looks at it."""


@final
class Windows:
    """The walk over the rows of one block, all at once."""

    def __init__(
        self,
        data: Bytes,
        starts: Positions,
        end: int,
        shapes: Sequence[Shape],
        guesses: Sequence[int | None],
    ) -> None:
        """Rows begin at `starts` and are over at `end`. `guesses` are the lengths that most
        rows have, NULL among them, and None where there is no such length."""
        self._data = data
        self._end = end
        self._shapes = shapes
        self._guesses = guesses
        self._base: Positions = starts + COUNT_BYTES
        """Where the next column begins."""
        self._cells: list[Cells] = []

    def cells(self) -> tuple[list[Cells], Positions]:
        """The cells of each column, and where each row ends. Raises Astray where a row has a
        length that can't be."""
        while len(self._cells) < len(self._shapes):
            self._next()
        return self._cells, self._base

    def _next(self) -> None:
        first = len(self._cells)
        stop, size = self._extent(first)
        base, offset = self._base, 0
        window = gather(self._data, base, size)
        for at in range(first, stop):
            words = window[:, offset : offset + LENGTH_BYTES].view(">i4")[:, 0]
            offset += LENGTH_BYTES
            guess = self._guesses[at]
            usual = 0 if guess is None else max(guess, 0)
            if guess is not None:
                same = words == guess
                if same.all():
                    self._check_width(at, guess, same)
                    nulls = np.ones(len(base), np.bool_) if guess == NULL else None
                    self._add(base, usual, nulls, offset, window)
                    offset += usual
                    continue
                others = np.flatnonzero(~same)
            lengths, nulls = self._lengths(at, words)
            if guess is None or len(others) * _FEW > len(base):
                self._add(base, lengths, nulls, offset, window)
                base = base + offset
                base += lengths
                offset = 0
                break
            self._add(base, lengths, nulls, offset, window[:, : offset + usual])
            offset += usual
            base = base.copy()
            base[others] += lengths[others] - usual  # what follows is as far behind it as ever
            self._check_inside(base + offset)
            moved = base[others] + offset
            if offset < size:
                window[others, offset:] = gather(self._data, moved, size - offset)
        self._base = base + offset if offset else base
        self._check_inside(self._base)

    def _extent(self, first: int) -> tuple[int, int]:
        """Behind which column the next window ends, and its bytes."""
        stop, size = first, 0
        for guess, shape in zip(self._guesses[first:], self._shapes[first:], strict=True):
            stop += 1
            size += LENGTH_BYTES + (shape.head_bytes if guess is None else max(guess, 0))
            if guess is None or size >= _WINDOW_BYTES:
                break
        return stop, size

    def _add(
        self,
        base: Positions,
        lengths: Lengths | int,
        nulls: Mask | None,
        offset: int,
        window: Bytes,
    ) -> None:
        self._cells.append(Cells(self._data, base, lengths, nulls, offset=offset, window=window))

    def _lengths(self, at: int, words: Words) -> tuple[Lengths, Mask | None]:
        """The lengths of a column's values, 0 of a NULL, and where it is NULL."""
        lengths: Lengths = words.astype(np.int32)
        nulls: Mask | None = None
        least = int(lengths.min())
        if least < 0:
            if least < NULL:
                raise Astray(lengths < NULL)
            nulls = lengths < 0
            np.maximum(lengths, 0, out=lengths)
        width = self._shapes[at].width
        if width is not None:
            fits: Mask = lengths == width
            if nulls is not None:
                fits |= nulls
            if not fits.all():
                raise Astray(~fits)
        return lengths, nulls

    def _check_width(self, at: int, length: int, rows: Mask) -> None:
        width = self._shapes[at].width
        if width is not None and length not in (width, NULL):
            raise Astray(rows)

    def _check_inside(self, places: Positions) -> None:
        if int(places.max()) > self._end:
            raise Astray(places > self._end)
