"""Durations as the numbers that a column counts of its unit."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array

__all__ = ["counted", "told"]

_A_SECOND: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_MOST: Final = 2**63 - 1


def counted(array: Array, unit: str | None) -> tuple[Array, Array]:
    """How many of the unit each is, NULL where that is no int64, and a mask of those.

    A column without a unit counts none: its numbers are no durations.
    """
    ticks: Array = array.cast(pa.int64())
    fits: Array
    found: Array
    if unit is None:
        return pa.nulls(len(array), pa.int64()), array.is_valid()
    given, wanted = _A_SECOND[array.type.unit], _A_SECOND[unit]
    if given == wanted:
        return ticks, pa.repeat(pa.scalar(False), len(ticks))
    if wanted > given:
        factor = pa.scalar(wanted // given, pa.int64())
        most = _MOST * given // wanted
        low, high = pa.scalar(-most, pa.int64()), pa.scalar(most, pa.int64())
        fits = pc.and_(pc.less_equal(ticks, high), pc.greater_equal(ticks, low))
        found = pc.multiply(ticks, factor)
    else:
        factor = pa.scalar(given // wanted, pa.int64())
        found = pc.divide(ticks, factor)
        fits = pc.equal(pc.multiply(found, factor), ticks)
    fits = pc.fill_null(fits, True)
    return pc.if_else(fits, found, pa.scalar(None, pa.int64())), pc.invert(fits)


def told(duration: Any) -> str | None:
    """As people are shown one, in the unit that it came in."""
    ticks = duration.cast(pa.int64()).as_py()
    return None if ticks is None else f"{ticks} {duration.type.unit}"
