"""The values of one column in a group of rows, still as bytes: cells."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = ["PADDING", "Bytes", "Cells", "Lengths", "Mask", "Positions", "Words", "gather"]

Bytes: TypeAlias = npt.NDArray[np.uint8]
Lengths: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Positions: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = np.ndarray[Any, Any]

PADDING: Final = 512
"""Bytes before the first row and behind the last that may be read, and mean nothing."""


def gather(data: Bytes, starts: Positions, width: int) -> Bytes:
    """`width` bytes from each start, a row each.

    One pass whose cost hardly depends on the width: 4 ns a row for 4 bytes as for 96 (measured).
    So few wide ones are better than many narrow ones.
    """
    places = np.ndarray((len(data) - width + 1,), f"V{width}", data, 0, (1,))
    return places[starts].view(np.uint8).reshape(len(starts), width)


@final
class Cells:
    """Where the values of a column are in `data`, one a row, each behind its length.

    `lengths` is 0 of a NULL, and the value begins where it would. `nulls` is True where the
    row has NULL, and None where no row has. `uniform` is the bytes of each value where they
    are the same in all rows and none is NULL, else None. PADDING bytes of `data` may be read
    past either end of any value.
    """

    __slots__ = ("_base", "_lengths", "_offset", "_window", "data", "nulls", "uniform")

    def __init__(
        self,
        data: Bytes,
        base: Positions,
        lengths: Lengths | int,
        nulls: Mask | None = None,
        *,
        offset: int = 0,
        window: Bytes | None = None,
    ) -> None:
        """Values begin `offset` bytes behind `base`; `window` is what was gathered there."""
        self.data = data
        self.nulls = nulls
        self.uniform = lengths if isinstance(lengths, int) and nulls is None else None
        self._base = base
        self._offset = offset
        self._lengths = lengths
        self._window = window

    def __len__(self) -> int:
        return len(self._base)

    @property
    def starts(self) -> Positions:
        return self._base + self._offset if self._offset else self._base

    @property
    def lengths(self) -> Lengths:
        if isinstance(self._lengths, int):
            return np.full(len(self), self._lengths, np.int32)
        return self._lengths

    def window(self, width: int) -> Bytes:
        """The first `width` bytes of each value and of what follows it, a row each.

        Anything where NULL. A view whose rows may lie apart.
        """
        end = self._offset + width
        if self._window is not None and end <= self._window.shape[1]:
            return self._window[:, self._offset : end]
        return gather(self.data, self.starts, width)

    def words(self, dtype: str) -> Words:
        """The first bytes of each value as `dtype` (">i4"); anything where NULL."""
        kind = np.dtype(dtype)
        words: Words = self.window(kind.itemsize).view(kind)[:, 0]
        return words

    def value(self, row: int) -> bytes:
        """The bytes of one row's value."""
        start = int(self._base[row]) + self._offset
        length = self._lengths if isinstance(self._lengths, int) else int(self._lengths[row])
        return self.data[start : start + length].tobytes()
