"""Dates and timestamps as text, of whatever year.

Arrow (26) counts years in 16 bits. Past them it prints a date, or a local time, as `<value out of
range: 2147483647>`, and an instant as one of another year: 294247 is 32103 then.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array, DataType, scalar, text_array

__all__ = ["is_day_or_instant", "time_texts"]

_SECONDS: Final = 86_400
_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_NEAR_DAYS: Final = 11_000_000
"""Either side of 1970, in which Arrow's years have room: some 30,000 years."""
_BEFORE_1970: Final = date(1970, 1, 1).toordinal() - 1
_CYCLE_DAYS: Final = 146_097
_CYCLE_YEARS: Final = 400


def is_day_or_instant(kind: DataType) -> bool:
    """Whether `time_texts` takes it."""
    return bool(pa.types.is_date32(kind) or pa.types.is_timestamp(kind))


def time_texts(array: Array) -> Array:
    """A date32 or timestamp column as Arrow prints it: 2025-01-15, 2025-01-15 10:00:00.000000, in
    UTC with a Z, of other zones with their offset.

    So are years past those that Arrow can print, of which a zone's instants are in UTC.
    """
    kind = array.type
    if pa.types.is_date32(kind):
        counts, near = array.cast(pa.int32()), _NEAR_DAYS
    else:
        counts = array.cast(pa.int64())
        near = min(_NEAR_DAYS * _SECONDS * 10 ** _DIGITS[kind.unit], 2**63 - 1)
    texts: Array = array.cast(pa.string())
    above: Array = pc.greater(counts, scalar(near, counts.type))
    is_far: Array = pc.or_(above, pc.less(counts, scalar(-near, counts.type)))
    if not pc.any(is_far).as_py():
        return texts
    far = [_text(count, kind) for count in counts.filter(is_far).to_pylist()]
    where: Array = pc.fill_null(is_far, False)
    found: Array = pc.replace_with_mask(texts, where, text_array(far))
    return found


def _text(count: int, kind: DataType) -> str:
    if pa.types.is_date32(kind):
        return _day(count)
    digits = _DIGITS[kind.unit]
    seconds, fraction = divmod(count, 10**digits)
    day, second = divmod(seconds, _SECONDS)
    minutes, second = divmod(second, 60)
    behind = f".{fraction:0{digits}}" if digits else ""
    zone = "" if kind.tz is None else "Z"
    return f"{_day(day)} {minutes // 60:02}:{minutes % 60:02}:{second:02}{behind}{zone}"


def _day(days: int) -> str:
    """Of days since 1970. The calendar repeats itself every 400 years."""
    cycles, rest = divmod(days + _BEFORE_1970, _CYCLE_DAYS)
    found = date.fromordinal(rest + 1)
    year = found.year + cycles * _CYCLE_YEARS
    return f"{'-' if year < 0 else ''}{abs(year):04}-{found.month:02}-{found.day:02}"
