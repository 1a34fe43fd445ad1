"""Types that hold the values of others: columns that have landed never narrow."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType

__all__ = ["decimal_of", "wider"]

_MOST_DIGITS: Final = 76


def wider(one: DataType, other: DataType) -> DataType:
    """The least type that holds all values of both, the first of equals; a string where no
    other does."""
    if one == other:
        return one
    pair = one, other
    if all(map(pa.types.is_signed_integer, pair)):
        return max(pair, key=lambda kind: int(kind.bit_width))
    if all(map(pa.types.is_integer, pair)) and pa.uint64() not in pair:
        return pa.int64()
    if any(map(pa.types.is_floating, pair)):
        return pa.float64() if all(map(_fits_double, pair)) else pa.string()
    decimals = [_as_decimal(kind) for kind in pair]
    if None not in decimals:
        digits = max(kind.precision - kind.scale for kind in decimals if kind is not None)
        scale = max(kind.scale for kind in decimals if kind is not None)
        return decimal_of(digits + scale, scale) or pa.string()
    if all(map(pa.types.is_timestamp, pair)) and one.unit == other.unit and one.tz and other.tz:
        return one  # the same instants, shown elsewhere
    if all(map(pa.types.is_list, pair)):
        return pa.list_(wider(one.value_type, other.value_type))
    return pa.string()


def decimal_of(precision: int, scale: int) -> DataType | None:
    """The decimal for numeric(precision, scale); None past 76 digits.

    Parquet knows no scale below 0 or above the precision: numeric(3,-2), which rounds to
    hundreds, is a decimal(5,0), and numeric(2,5), 0.00012 say, a decimal(5,5).
    """
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision > _MOST_DIGITS:
        return None
    make = pa.decimal128 if precision <= 38 else pa.decimal256
    return make(precision, scale)


def _fits_double(kind: DataType) -> bool:
    return bool(pa.types.is_floating(kind) or (pa.types.is_integer(kind) and kind.bit_width <= 32))


def _as_decimal(kind: DataType) -> DataType | None:
    if pa.types.is_decimal(kind):
        return kind
    if pa.types.is_integer(kind):
        bits = kind.bit_width - pa.types.is_signed_integer(kind)
        return pa.decimal128(len(str(2**bits)), 0)
    return None
