"""Keys of integers as one integer each, which keeps their order and can be taken apart again.

An order and its line, a parent and its child: keys that come in order stay so, and are known to
be new without being looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import msgspec
import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array
from bronze_engine.quality.hashes import Numbers

__all__ = ["Packing", "packing_of"]

_LOW_BITS: Final = 23
_HIGH_BITS: Final = 40
"""A million of millions, and eight millions of each."""


@final
class Packing(msgspec.Struct, frozen=True, array_like=True):
    """How one integer of 64 bits holds the integers of one key."""

    columns: int
    """1, or 2."""
    high: int = 0
    """Which of two is the more significant one."""

    def pack(self, columns: Sequence[Array]) -> Numbers | None:
        """A number for each row; None where one does not fit."""
        numbers = _numbers(columns)
        if numbers is None or len(numbers) != self.columns:
            return None
        if self.columns == 1:
            return numbers[0]
        high, low = numbers[self.high], numbers[1 - self.high]
        if not (_is_within(high, _HIGH_BITS) and _is_within(low, _LOW_BITS)):
            return None
        packed: Numbers = (high << _LOW_BITS) | low
        return packed

    def unpack(self, keys: Numbers) -> list[Array]:
        """The columns again."""
        if self.columns == 1:
            return [pa.array(keys)]
        pair = [pa.array(keys >> _LOW_BITS), pa.array(keys & ((1 << _LOW_BITS) - 1))]
        return pair if self.high == 0 else pair[::-1]


def packing_of(columns: Sequence[Array]) -> Packing | None:
    """How keys like these, of which there is one at least, are packed; None where they can't be."""
    numbers = _numbers(columns)
    if numbers is None or len(numbers) > 2:
        return None
    if len(numbers) == 1:
        return Packing(1)
    return Packing(2, int(numbers[1].max() > numbers[0].max()))


def _numbers(columns: Sequence[Array]) -> list[Numbers] | None:
    if not all(pa.types.is_int64(column.type) for column in columns):
        return None
    return [column.to_numpy(zero_copy_only=False) for column in columns]


def _is_within(numbers: Numbers, bits: int) -> bool:
    """Whether all are from 0 to below 2**bits: no bit above them is set in any."""
    return int(np.bitwise_or.reduce(numbers)) >> bits == 0
