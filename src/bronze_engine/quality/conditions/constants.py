"""What the configuration writes as a number or a text, as a value of a column's type.

Nothing is rounded on the way: 1.005 compares with a decimal(10,2) as the number between two
of its values that it is.
"""

from __future__ import annotations

import math
import re
from datetime import time
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.expression.tree import Comparison
from bronze_engine.model.arrow import Array, DataType, Scalar, scalar

__all__ = ["MIRRORED", "OPERATORS", "Unfit", "Value", "all_alike", "compare", "value_of"]

Value: TypeAlias = int | float | Decimal | str | bool

OPERATORS: Final = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
MIRRORED: Final[dict[Comparison, Comparison]] = {
    "=": "=",
    "<>": "<>",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
"""The comparison with its sides exchanged."""

_OFFSET: Final = re.compile(r":\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)$")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Unfit(ValueError):
    """A column of a type with which what is asked for has no meaning."""


def all_alike(array: Array, *, is_true: bool) -> Array:
    """That answer for each row that has a value; NULL for the others."""
    return pc.if_else(array.is_valid(), is_true, scalar(None, pa.bool_()))


def compare(operator: Comparison, array: Array, value: Value) -> Array:
    """Which values of a column are above, at, or below a constant. Raises Unfit."""
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.bool_())
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _compare_exactly(operator, array, value)
    return OPERATORS[operator](array, _scalar(value, kind))


def value_of(value: Value, kind: DataType) -> Scalar | None:
    """The value of that type which equals a constant; None where there is none. Raises Unfit."""
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        steps, is_between = _steps(value, kind)
        low, high = _ends(kind)
        return None if is_between or not low <= steps <= high else _of_steps(steps, kind)
    return _scalar(value, kind)


def _compare_exactly(operator: Comparison, array: Array, value: Value) -> Array:
    kind = array.type
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit(f"{value} is no number that {kind} can be compared with")
    steps, is_between = _steps(value, kind)
    low, high = _ends(kind)
    if is_between or not low <= steps <= high:
        if operator in ("=", "<>"):
            return all_alike(array, is_true=operator == "<>")
        # Above a number between two values is above the lower one, and at least is the same.
        operator = "<=" if operator in ("<", "<=") else ">"
    if steps < low:
        return all_alike(array, is_true=operator in (">", ">="))
    if steps > high:
        return all_alike(array, is_true=operator in ("<", "<="))
    return OPERATORS[operator](array, _of_steps(steps, kind))


def _steps(value: Value, kind: DataType) -> tuple[int, bool]:
    """The value in units of the type's last digit, rounded down, and whether it was rounded."""
    if isinstance(value, bool):
        raise Unfit(f"is {kind}, and can't be compared with {str(value).lower()}")
    try:
        # A float of TOML means the digits that were written, not the double next to them.
        exact = Fraction(repr(value) if isinstance(value, float) else value)
    except ValueError:
        raise Unfit(f"is {kind}, and can't be compared with the text {value!r}") from None
    scaled = exact * 10 ** (kind.scale if pa.types.is_decimal(kind) else 0)
    return math.floor(scaled), scaled.denominator != 1


def _ends(kind: DataType) -> tuple[int, int]:
    if pa.types.is_decimal(kind):
        most = 10**kind.precision - 1
        return -most, most
    bits = kind.bit_width
    if pa.types.is_unsigned_integer(kind):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _of_steps(steps: int, kind: DataType) -> Scalar:
    if not pa.types.is_decimal(kind):
        return scalar(str(steps), pa.string()).cast(kind)
    sign, digits = "-" if steps < 0 else "", str(abs(steps)).zfill(max(kind.scale, 0) + 1)
    if kind.scale <= 0:
        return scalar(f"{sign}{digits}{'0' * -kind.scale}", pa.string()).cast(kind)
    text = f"{sign}{digits[: -kind.scale]}.{digits[-kind.scale :]}"
    return scalar(text, pa.string()).cast(kind)


def _scalar(value: Value, kind: DataType) -> Scalar:
    if pa.types.is_boolean(kind):
        if not isinstance(value, bool):
            raise Unfit("is bool, and can be compared with true and false only")
        return scalar(str(value).lower(), pa.string()).cast(kind)
    if pa.types.is_floating(kind):
        if isinstance(value, bool) or (isinstance(value, str) and not _is_number(value)):
            raise Unfit(f"is {kind}, and can't be compared with {value!r}")
        return scalar(repr(float(value)), pa.string()).cast(pa.float64()).cast(kind)
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        raise Unfit(
            f"lands as {kind}, and can't be compared with {shown}; type it in schema.columns, or"
            " write the value in quotes"
        )
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return scalar(value, pa.string()).cast(kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return scalar(value.encode(), pa.binary()).cast(kind)
    try:
        return _time(value, kind)
    except (pa.ArrowInvalid, ValueError) as exc:
        raise Unfit(f"lands as {kind}, and {value!r} is none") from exc


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _time(text: str, kind: DataType) -> Scalar:
    if pa.types.is_date(kind):
        return scalar(text, pa.string()).cast(pa.date32()).cast(kind)
    if pa.types.is_time(kind):
        return pa.scalar(time.fromisoformat(text), kind)
    if not pa.types.is_timestamp(kind):
        raise Unfit(f"lands as {kind}, which can't be compared with a constant")
    if _DAY.fullmatch(text):
        text += "T00:00:00"
    if _OFFSET.search(text) is None:
        text += "Z"  # what has no offset is UTC
    moment = scalar(text, pa.string()).cast(pa.timestamp(kind.unit, "UTC"))
    return moment.cast(pa.timestamp(kind.unit)) if kind.tz is None else moment.cast(kind)
