"""What type the first values of a column have, where the configuration leaves that to them."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.text.values import cast_column
from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.layout import Column

__all__ = ["inferred_type"]

_CLOCK: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.(\d{3}|\d{6}|\d{9}))?(Z)?", re.ASCII
)
_UNITS: Final = {0: "s", 3: "ms", 6: "us", 9: "ns"}
_NARROW_DIGITS: Final = 15
"""Decimals of up to so many digits leave room for three more in 18, which Parquet writes as
whole numbers."""


def inferred_type(texts: Array) -> DataType:
    """The narrowest type that prints all of these texts again; null where there is none.

    Fractions of one length are decimals: 1.50 and 2.00 are amounts. Of different lengths, or of
    one digit (as programs print doubles), they are doubles.
    """
    known = texts.drop_null()
    if not len(known):
        return pa.null()
    first: str = known[0].as_py()
    for kind in _candidates(first, known):
        column = Column(name="", type=kind, key="")
        if cast_column(known, column, printable=True)[1] is None:
            return kind
    return pa.string()


def _candidates(first: str, known: Array) -> list[DataType]:
    """Types that the first value might have; the values decide."""
    if first in ("true", "false"):
        return [pa.bool_()]
    clock = _CLOCK.fullmatch(first)
    if clock is not None:
        unit = _UNITS[len(clock[1] or "")]
        kind: DataType = pa.timestamp(unit, clock[2] and "UTC")  # type: ignore[call-overload,unused-ignore]
        return [kind]
    if len(first) == len("2025-01-15") and first[4:5] == "-":
        return [pa.date32()]
    if "." in first:
        scale = len(first.partition(".")[2])
        return [pa.float64()] if scale == 1 else [*_decimals(scale, known), pa.float64()]
    return [pa.int64()]


def _decimals(scale: int, known: Array) -> list[DataType]:
    lengths: Array = pc.binary_length(known)
    if pc.max(lengths).as_py() <= _NARROW_DIGITS:
        return [pa.decimal128(18, scale)]
    return [pa.decimal128(38, scale)] if scale <= 38 else []
