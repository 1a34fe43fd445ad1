"""Values of one type as another, in SQL: each exactly, or NULL.

    integer, decimal, double   to each other where the number is the same; a double is the number
                               that it is printed as
    boolean                    to 0 and 1, and back
    timestamp                  of another unit; as a date where it is midnight (UTC, of zoned ones)
    date                       as a local timestamp: its midnight
    epoch_s, _ms, _us, _ns     of numbers, and of texts that say one
    text                       as `texts` has it
    to text                    digits as they are; true, false; 2025-01-15; 10:00:00.000000;
                               2025-01-15T10:00:00.000000, of instants in UTC with a Z behind (nine
                               digits of nanoseconds); doubles as the shortest text that is read
                               back as the same
    struct, list               with more fields, and elements of wider types

Anything else has no way. A time gets no zone and loses none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role
from bronze_engine.silver.columns.epochs import EPOCH_NUMBER, epoch, is_epoch
from bronze_engine.silver.columns.texts import (
    as_decimal,
    double_as_decimal_text,
    from_text,
    is_json,
    within,
)
from bronze_engine.silver.database.decimals import plain_decimal
from bronze_engine.silver.database.sql import literal
from bronze_engine.silver.database.types import is_wide, sql_type, widened

__all__ = ["Cast", "cast"]

_DAY_MICROSECONDS: Final = 86_400_000_000
_DATE_BEGAN: Final = "1970-01-01"
_TIME_CHARACTERS: Final = {"s": 15, "ms": 15, "us": 15, "ns": 18}


class Cast(msgspec.Struct, frozen=True):
    """How a value becomes one of another type."""

    value: str
    """An expression: NULL where the value is, and where it has no exact equal."""
    can_fail: bool
    """Whether it may be NULL for a value that is not."""


def cast(value: str, given: DataType, wanted: DataType, role: Role = "value") -> Cast | None:
    """How the expression `value`, of the type `given`, becomes a value of `wanted`; None where it
    can't. `role` is what `model.types.named.parse_type` says beside the type."""
    if is_epoch(role):
        number = None if pa.types.is_boolean(given) else cast(value, given, EPOCH_NUMBER)
        return number and _may_fail(epoch(value, number.value, given, wanted, role))
    if role == "json":
        return (
            _may_fail(f"CASE WHEN {is_json(value)} THEN {value} END") if _is_text(given) else None
        )
    if given == wanted or (_is_text(given) and _is_text(wanted)):
        return Cast(value, can_fail=False)
    if is_wide(given):
        return _from_wide(value, given, wanted, role)
    if _is_text(wanted):
        return _to_text(value, given)
    if _is_text(given):
        found = from_text(value, wanted)
        return None if found is None else _may_fail(found)
    if _is_nested(given) or _is_nested(wanted):
        return _nested(value, given, wanted)
    for is_from, is_to, way in _WAYS:
        if is_from(given) and is_to(wanted):
            return way(value, given, wanted)
    return None


def _from_wide(value: str, given: DataType, wanted: DataType, role: Role) -> Cast | None:
    """Of a decimal that is carried as text: by the text of the number."""
    found = cast(value, pa.string(), wanted, role)
    if found is None:
        return None

    def of_plain(text: str) -> str:
        made = cast(text, pa.string(), wanted, role)
        return text if made is None else made.value

    return Cast(within(plain_decimal(value, given), of_plain), can_fail=found.can_fail)


def _may_fail(value: str) -> Cast:
    return Cast(value, can_fail=True)


def _whole(value: str, given: DataType, wanted: DataType) -> Cast:
    """Integers: too large ones have no place."""
    del given
    return _may_fail(f"TRY_CAST({value} AS {sql_type(wanted)})")


def _same_back(value: str, given: DataType, wanted: DataType) -> Cast:
    """A number that the way back leads to again."""
    there = f"TRY_CAST({value} AS {sql_type(wanted)})"
    back = f"TRY_CAST({there} AS {sql_type(given)})"
    return _may_fail(f"CASE WHEN {back} = {value} THEN {there} END")


def _whole_to_double(value: str, given: DataType, wanted: DataType) -> Cast:
    if given.bit_width <= 32:
        return Cast(f"CAST({value} AS {sql_type(wanted)})", can_fail=False)
    double = f"CAST({value} AS DOUBLE)"
    return _may_fail(f"CASE WHEN TRY_CAST({double} AS HUGEINT) = {value} THEN {double} END")


def _double_to_whole(value: str, given: DataType, wanted: DataType) -> Cast:
    """DuckDB rounds."""
    del given
    there = f"TRY_CAST({value} AS {sql_type(wanted)})"
    return _may_fail(f"CASE WHEN trunc({value}) = {value} THEN {there} END")


def _double_to_decimal(value: str, given: DataType, wanted: DataType) -> Cast:
    del given
    text = double_as_decimal_text(value)
    return _may_fail(within(text, lambda text: as_decimal(text, wanted)))


def _to_wide(value: str, given: DataType, wanted: DataType) -> Cast:
    """To decimals that DuckDB has not, by the text of the number."""
    del given
    text = f"CAST({value} AS VARCHAR)"
    return _may_fail(within(text, lambda text: as_decimal(text, wanted)))


def _decimal_to_double(value: str, given: DataType, wanted: DataType) -> Cast:
    """By its text: DuckDB's own cast divides, and misses the nearest double."""
    del wanted
    double = f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
    back = within(double_as_decimal_text(double), lambda text: as_decimal(text, given))
    return _may_fail(f"CASE WHEN {back} = {value} THEN {double} END")


def _single_to_double(value: str, given: DataType, wanted: DataType) -> Cast:
    del given
    return Cast(f"CAST({value} AS {sql_type(wanted)})", can_fail=False)


def _truth_to_whole(value: str, given: DataType, wanted: DataType) -> Cast:
    del given
    return Cast(f"CAST({value} AS {sql_type(wanted)})", can_fail=False)


def _whole_to_truth(value: str, given: DataType, wanted: DataType) -> Cast:
    del given, wanted
    return _may_fail(f"CASE {value} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END")


def _instant(value: str, given: DataType, wanted: DataType) -> Cast | None:
    """Timestamps of another unit."""
    if (given.tz is None) != (wanted.tz is None):
        return None
    if _is_nanoseconds(wanted) and not _is_nanoseconds(given):
        return _may_fail(f"TRY_CAST({value} AS {sql_type(wanted)})")
    count, digits = (
        (f"epoch_ns({value})", 9) if _is_nanoseconds(given) else (f"epoch_us({value})", 6)
    )
    idle = 10 ** max(digits - _UNIT_DIGITS[wanted.unit], 0)
    same = value
    if _is_nanoseconds(given) and not _is_nanoseconds(wanted):
        made = "make_timestamp" if wanted.tz is None else "make_timestamptz"
        same = f"{made}({count} // 1000)"
    if idle == 1:
        return Cast(same, can_fail=False)
    return _may_fail(f"CASE WHEN {count} % {idle} = 0 THEN {same} END")


_UNIT_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _midnight(value: str, given: DataType, wanted: DataType) -> Cast:
    """Timestamps at the first instant of a day, as that day."""
    del wanted
    day = _DAY_MICROSECONDS * (1000 if _is_nanoseconds(given) else 1)
    count = f"{'epoch_ns' if _is_nanoseconds(given) else 'epoch_us'}({value})"
    began = f"CAST({literal(_DATE_BEGAN)} AS DATE)"
    return _may_fail(
        f"CASE WHEN {count} % {day} = 0 THEN {began} + CAST({count} // {day} AS INTEGER) END"
    )


def _date_to_timestamp(value: str, given: DataType, wanted: DataType) -> Cast | None:
    del given
    if wanted.tz is not None:
        return None
    return _may_fail(f"TRY_CAST({value} AS {sql_type(wanted)})")


def _clock(value: str, given: DataType, wanted: DataType) -> Cast:
    """Times of day of another unit."""
    there = f"CAST({value} AS {sql_type(wanted)})"
    back = f"CAST({there} AS {sql_type(given)})"
    return _may_fail(f"CASE WHEN {back} = {value} THEN {there} END")


def _to_text(value: str, given: DataType) -> Cast | None:
    text = f"CAST({value} AS VARCHAR)"
    if pa.types.is_time(given):
        point = f"CASE WHEN contains({text}, {literal('.')}) THEN {literal('')} ELSE"
        point += f" {literal('.')} END"
        fraction = f"{text} || {point} || {literal('0' * 9)}"
        return Cast(f"left({fraction}, {_TIME_CHARACTERS[given.unit]})", can_fail=False)
    if pa.types.is_timestamp(given):
        form = "%Y-%m-%dT%H:%M:%S." + ("%n" if _is_nanoseconds(given) else "%f")
        zone = "" if given.tz is None else "Z"
        return Cast(f"strftime({value}, {literal(form + zone)})", can_fail=False)
    if pa.types.is_date(given):  # a plain cast counts the years before 1 backwards, as BC
        return Cast(f"strftime({value}, {literal('%Y-%m-%d')})", can_fail=False)
    if _is_text(given):
        return Cast(value, can_fail=False)
    kinds = _is_whole, _is_double, pa.types.is_decimal, pa.types.is_boolean
    if any(is_so(given) for is_so in kinds):
        return Cast(text, can_fail=False)
    return None


def _nested(value: str, given: DataType, wanted: DataType) -> Cast | None:
    if not _only_grows(given, wanted):
        return None
    return Cast(widened(value, given, wanted), can_fail=False)


def _only_grows(given: DataType, wanted: DataType) -> bool:
    """Whether all that is in values of `given` has its place in `wanted`, at any depth."""
    if _is_list(given) and _is_list(wanted):
        return _only_grows(given.value_type, wanted.value_type)
    if pa.types.is_struct(given) and pa.types.is_struct(wanted):
        there = {field.name: field.type for field in wanted}
        return all(
            field.name in there and _only_grows(field.type, there[field.name]) for field in given
        )
    if _is_nested(given) or _is_nested(wanted):
        return False
    if given == wanted:
        return True
    if _is_whole(given) and _is_whole(wanted):
        return bool(wanted.bit_width > given.bit_width and not _is_unsigned(wanted))
    return bool(
        (pa.types.is_float32(given) and pa.types.is_float64(wanted))
        or (_is_whole(given) and pa.types.is_float64(wanted) and given.bit_width <= 32)
    )


def _is_list(kind: DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_nested(kind: DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _is_text(kind: DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_nanoseconds(kind: DataType) -> bool:
    return bool(kind.unit == "ns")


def _is_whole(kind: DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _is_unsigned(kind: DataType) -> bool:
    return bool(pa.types.is_unsigned_integer(kind))


def _is_double(kind: DataType) -> bool:
    return bool(pa.types.is_floating(kind))


def _is_decimal(kind: DataType) -> bool:
    return bool(pa.types.is_decimal(kind)) and not is_wide(kind)


def _is_number(kind: DataType) -> bool:
    return _is_whole(kind) or _is_double(kind) or _is_decimal(kind)


_Is = Callable[[DataType], bool]
_Way = Callable[[str, DataType, DataType], Cast | None]
_WAYS: Final[tuple[tuple[_Is, _Is, _Way], ...]] = (
    (_is_whole, _is_whole, _whole),
    (_is_number, is_wide, _to_wide),
    (_is_whole, _is_decimal, _same_back),
    (_is_whole, pa.types.is_float64, _whole_to_double),
    (_is_whole, pa.types.is_boolean, _whole_to_truth),
    (pa.types.is_boolean, _is_whole, _truth_to_whole),
    (_is_decimal, _is_decimal, _same_back),
    (_is_decimal, _is_whole, _same_back),
    (_is_decimal, pa.types.is_float64, _decimal_to_double),
    (pa.types.is_float32, pa.types.is_float64, _single_to_double),
    (_is_double, _is_whole, _double_to_whole),
    (_is_double, _is_decimal, _double_to_decimal),
    (pa.types.is_timestamp, pa.types.is_timestamp, _instant),
    (pa.types.is_timestamp, pa.types.is_date, _midnight),
    (pa.types.is_date, pa.types.is_timestamp, _date_to_timestamp),
    (pa.types.is_time, pa.types.is_time, _clock),
)
