"""Texts that are written as values of a type: which are, and which are not."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.quality_rule import TextType
from bronze_engine.model.arrow import Array
from bronze_engine.quality.conditions.constants import Unfit, all_alike

__all__ = ["is_written_as"]

_DATE: Final = r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
_OFFSET: Final = r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"

_PATTERNS: Final[dict[str, str]] = {
    "integer": r"[+-]?[0-9]+",
    "decimal": r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)",
    "boolean": r"(?i:true|false)",
    "date": _DATE,
    "time": _TIME,
    "timestamp": f"{_DATE}[Tt ]{_TIME}{_OFFSET}",
    "uuid": r"(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    # An address as mail servers take it, without quoted names and literal hosts.
    "email": r"[^\s@\x00-\x1f]{1,64}@([\pL\pN]([\pL\pN-]{0,61}[\pL\pN])?\.)+[\pL\pN-]{2,63}",
    "url": r"(?i:https?)://[^\s/?#]+([/?#]\S*)?",
}
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, *[0] * 87])


def is_written_as(kind: TextType, array: Array) -> Array:
    """Which texts are such a value; NULL stays NULL. Raises Unfit for a column of another type.

    A column that lands as that very type is right by itself.
    """
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.bool_())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        if _is_of(kind, array.type):
            return all_alike(array, is_true=True)
        raise Unfit(f"lands as {array.type}, and a type is a rule for texts")
    if kind == "json":
        verdicts = [None if text is None else _is_json(text) for text in array.to_pylist()]
        return pa.array(verdicts, pa.bool_())
    found: Array = pc.match_substring_regex(array, pattern=rf"\A(?:{_PATTERNS[kind]})\z")
    if kind not in ("date", "timestamp"):
        return found
    return pc.and_(found, _has_day(array))


def _is_of(kind: TextType, landed: Any) -> bool:
    types = pa.types
    match kind:
        case "integer":
            return bool(types.is_integer(landed))
        case "decimal":
            return bool(types.is_decimal(landed) or types.is_integer(landed))
        case "boolean":
            return bool(types.is_boolean(landed))
        case "date":
            return bool(types.is_date(landed))
        case "time":
            return bool(types.is_time(landed))
        case "timestamp":
            return bool(types.is_timestamp(landed))
        case _:
            return False


def _has_day(array: Array) -> Array:
    """Which texts begin with a day that the calendar has; whatever begins otherwise is false."""
    parts = pc.extract_regex(array, pattern=rf"\A{_DATE}")
    year, month, day = (
        pc.fill_null(pc.struct_field(parts, name).cast(pa.int32()), 0).to_numpy(
            zero_copy_only=False
        )
        for name in ("y", "m", "d")
    )
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _MONTH_DAYS[month] + ((month == 2) & is_leap)
    return pa.array((year >= 1) & (day >= 1) & (day <= last))


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
