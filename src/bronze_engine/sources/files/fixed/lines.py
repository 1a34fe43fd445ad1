"""Where the lines of a block begin and end."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np

from bronze_engine.sources.files.fixed.charset import BAD, Charset, Units, is_ascii

__all__ = ["Lines"]


@final
class Lines:
    """The lines of one block, or its records of one length; lines without anything are none.

    Places are those of units, and `numbers` the lines' numbers within the block, from 0.
    """

    def __init__(
        self, data: bytes, charset: Charset, record_length: int | None, count: int | None = None
    ) -> None:
        """`count` is how many lines there are, blank ones included, where that is known."""
        self._data = data
        self._charset = charset
        self.units = charset.units(data)
        self.is_ascii = is_ascii(self.units)
        self.starts, ends = _ends(self.units, record_length, count)
        self.lengths = ends - self.starts
        self.numbers = np.arange(len(self.starts))
        if record_length is None and len(ends) and not self.lengths.all():
            kept = np.flatnonzero(self.lengths)
            self.starts, self.lengths = self.starts[kept], self.lengths[kept]
            self.numbers = kept
        self.bad = self._bad()
        """The lines with bytes that are no character, by their places; "?" stands for these."""

    def __len__(self) -> int:
        return len(self.starts)

    def grid(self, rows: Units | None, width: int) -> Units:
        """The first `width` units of some lines, or of all, a line a row; blanks where one ends
        before."""
        starts = self.starts if rows is None else self.starts[rows]
        lengths = self.lengths if rows is None else self.lengths[rows]
        if not len(starts):
            return np.empty((0, width), self.units.dtype)
        stride = int(starts[1] - starts[0]) if len(starts) > 1 else width
        if stride >= width and bool((lengths >= width).all()):
            steps = np.diff(starts)
            if bool((steps == stride).all()):
                size = self.units.itemsize
                return np.lib.stride_tricks.as_strided(
                    self.units[starts[0] :],
                    (len(starts), width),
                    (stride * size, size),
                    writeable=False,
                )
        places = np.arange(width)
        index = starts[:, None] + places
        np.minimum(index, len(self.units) - 1, out=index)
        grid = self.units[index]
        grid[places >= lengths[:, None]] = ord(" ")
        return grid

    def has_more(self, row: int, width: int) -> bool:
        """Whether a line has more than blanks behind its first `width` units."""
        start, length = int(self.starts[row]), int(self.lengths[row])
        rest = self.units[start + width : start + length]
        return bool((rest != ord(" ")).any())

    def _bad(self) -> Units:
        if self.units.dtype == np.uint8:
            return np.empty(0, np.int64)
        bad = np.flatnonzero(self.units == BAD)
        self.units[bad] = ord("?")
        return np.unique(np.searchsorted(self.starts, bad, side="right") - 1)

    def raw(self, row: int) -> bytes:
        """The bytes of a line, without its end."""
        if not self._charset.keeps_bytes:
            return self._split[int(self.numbers[row])].removesuffix(b"\r")
        start = int(self.starts[row])
        return self._data[start : start + int(self.lengths[row])]

    @cached_property
    def _split(self) -> list[bytes]:
        """The lines by their bytes, where units are characters."""
        return self._data.split(b"\n")


def _ends(units: Units, record_length: int | None, count: int | None) -> tuple[Units, Units]:
    """Where each line begins and ends, its line end left out."""
    size = len(units)
    if record_length is not None:
        starts = np.arange(0, size, record_length)
        return starts, np.minimum(starts + record_length, size)
    regular = _regular_ends(units, count) if count else None
    ends = np.flatnonzero(units == ord("\n")) if regular is None else regular
    if not len(ends) or ends[-1] != size - 1:
        ends = np.append(ends, size) if size else ends
    starts = np.empty_like(ends)
    if len(ends):
        starts[0] = 0
        starts[1:] = ends[:-1] + 1
        is_long = ends > starts
        ends = ends - (is_long & (units[np.maximum(ends - 1, 0)] == ord("\r")))
    return starts, ends


def _regular_ends(units: Units, count: int) -> Units | None:
    """Where the lines end, if all are of one length: then nothing has to be looked for."""
    stride, rest = divmod(len(units), count)
    if rest or not (units[stride - 1 :: stride] == ord("\n")).all():
        return None
    return np.arange(stride - 1, len(units), stride)
