"""The cursors of a group of records, in a form that compares as `model.window.cursor_key` does."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array, scalar

__all__ = ["CursorKeys"]

_NANOSECONDS: Final = 10**9


@final
class CursorKeys:
    """The cursors of a group: an Arrow array, or Python values that no Arrow type holds."""

    def __init__(self, array: Array | None, values: list[Any] | None = None) -> None:
        self.array = array
        self.values = values or []

    def __len__(self) -> int:
        return len(self.values) if self.array is None else len(self.array)

    @property
    def null_count(self) -> int:
        return self.values.count(None) if self.array is None else self.array.null_count

    def is_valid(self) -> Array:
        if self.array is not None:
            return self.array.is_valid()
        return pa.array([value is not None for value in self.values], pa.bool_())

    def is_null(self) -> Array:
        return pc.invert(self.is_valid())

    def slice(self, start: int, length: int) -> CursorKeys:
        if self.array is not None:
            return CursorKeys(self.array.slice(start, length))
        return CursorKeys(None, self.values[start : start + length])

    def filter(self, keep: Array) -> CursorKeys:
        if self.array is not None:
            return CursorKeys(self.array.filter(keep))
        kept = zip(self.values, keep.to_pylist(), strict=True)
        return CursorKeys(None, [value for value, wanted in kept if wanted])

    def at_most(self, bound: Any) -> Array:
        """Which cursors are at or below `bound`."""
        if self.array is None:
            return pa.array(
                [None if value is None else value <= bound for value in self.values], pa.bool_()
            )
        kind = self.array.type
        if isinstance(bound, Fraction):
            # A whole nanosecond is <= x just if it is <= floor(x).
            bound = bound * _NANOSECONDS // 1
        if pa.types.is_int64(kind):
            if not -(2**63) <= bound < 2**63:
                return pa.array(np.full(len(self), bound > 0))
            return pc.less_equal(self.array, scalar(bound, pa.int64()))
        if isinstance(bound, str):
            return pc.less_equal(self.array, scalar(bound.encode(), pa.binary()))
        return pc.less_equal(self.array, scalar(bound, kind))

    def below(self, bound: Any, *, or_at: bool) -> Array:
        """Which cursors are below `bound`, or at it where they may be."""
        if or_at:
            return self.at_most(bound)
        if self.array is None:
            return pa.array(
                [None if value is None else value < bound for value in self.values], pa.bool_()
            )
        if isinstance(bound, Fraction):  # a whole nanosecond is < x just if it is <= ceil(x) - 1
            return self.at_most(Fraction(math.ceil(bound * _NANOSECONDS) - 1, _NANOSECONDS))
        at = pc.equal(self.array, scalar(bound, self.array.type))
        return pc.and_not(self.at_most(bound), at)

    def highest(self) -> int:
        """The first place of the greatest cursor."""
        if self.array is None:
            return self.values.index(max(self.values))
        greatest = pc.max(self.array)
        place: int = pc.index(self.array, greatest).as_py()
        return place
