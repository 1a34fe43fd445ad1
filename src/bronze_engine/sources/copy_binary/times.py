"""date, time, timestamp and timestamptz: counts of days and microseconds, moved to 1970.

PostgreSQL counts from 2000-01-01, in UTC where there is a zone, and keeps the two ends of the
integers' range for the infinities:
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/datatype/timestamp.h
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bronze_engine.sources.copy_binary.buffers import empty, fixed_width
from bronze_engine.sources.copy_binary.cells import Cells, Mask, Words
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.reader import Column

__all__ = ["read_date", "read_time", "read_timestamp", "show_date", "show_time", "show_timestamp"]

_EPOCH_DAYS: Final = 10_957
"""From 1970-01-01 to 2000-01-01."""

_DAY_US: Final = 86_400_000_000
_EPOCH_US: Final = _EPOCH_DAYS * _DAY_US
_LAST_US: Final = 2**63 - 1 - _EPOCH_US
"""The last timestamp (in the year 294247) whose microseconds since 1970 fit into 64 bits."""


def read_date(cells: Cells, field: Field) -> Column:
    """As date32: every date that PostgreSQL has, BC too. The infinities are special."""
    values = empty(len(cells), np.int32)
    values[:] = cells.words(">i4")
    special = _where(cells, values, -(2**31) + 1, 2**31 - 2)
    values += _EPOCH_DAYS
    return _column(cells, field, values, special)


def read_time(cells: Cells, field: Field) -> Column:
    """As time64 in microseconds. 24:00:00 is special."""
    values = empty(len(cells), np.int64)
    values[:] = cells.words(">i8")
    return _column(cells, field, values, _where(cells, values, 0, _DAY_US - 1))


def read_timestamp(cells: Cells, field: Field) -> Column:
    """As timestamp in microseconds, with or without a zone. The infinities are special, and so
    is what lies past the year 294246."""
    values = empty(len(cells), np.int64)
    values[:] = cells.words(">i8")
    special = _where(cells, values, -(2**63) + 1, _LAST_US)
    values += _EPOCH_US
    return _column(cells, field, values, special)


def show_date(value: bytes, field: Field) -> str:  # noqa: ARG001  # as Reader.show has it
    """A date as date_out prints it with DateStyle ISO."""
    days = int.from_bytes(value, "big", signed=True)
    if days in (2**31 - 1, -(2**31)):
        return "infinity" if days > 0 else "-infinity"
    year, month, day = _calendar(days)
    return f"{_year(year)}-{month:02d}-{day:02d}{' BC' * (year <= 0)}"


def show_time(value: bytes, field: Field) -> str:  # noqa: ARG001
    """A time as time_out prints it."""
    return _clock(int.from_bytes(value, "big", signed=True))


def show_timestamp(value: bytes, field: Field) -> str:
    """A timestamp as timestamp_out or timestamptz_out prints it, ISO, in UTC."""
    micros = int.from_bytes(value, "big", signed=True)
    if micros in (2**63 - 1, -(2**63)):
        return "infinity" if micros > 0 else "-infinity"
    days, rest = divmod(micros, _DAY_US)
    year, month, day = _calendar(days)
    zone = "+00" if field.kind == "timestamptz" else ""
    return f"{_year(year)}-{month:02d}-{day:02d} {_clock(rest)}{zone}{' BC' * (year <= 0)}"


def _where(cells: Cells, values: Words, least: int, most: int) -> Mask | None:
    """Where a value that is not NULL lies outside of the range."""
    if not len(values) or (values.min() >= least and values.max() <= most):
        return None
    outside: Mask = (values < least) | (values > most)
    if cells.nulls is not None:
        outside &= ~cells.nulls
    return outside if outside.any() else None


def _column(cells: Cells, field: Field, values: Words, special: Mask | None) -> Column:
    nulls = cells.nulls
    if special is not None:
        nulls = special if nulls is None else nulls | special
    return Column(fixed_width(field.type, values, nulls), special)


def _calendar(days: int) -> tuple[int, int, int]:
    """Year (0 is 1 BC), month and day of a count of days since 2000-01-01.

    The proleptic Gregorian calendar in years that begin in March, whose leap day is the last:
    https://howardhinnant.github.io/date_algorithms.html#civil_from_days
    """
    era, of_era = divmod(days + 730_425, 146_097)  # since 0000-03-01
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return era * 400 + year + (month <= 2), month, day


def _year(year: int) -> str:
    return f"{year if year > 0 else 1 - year:04d}"


def _clock(micros: int) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour:02d}:{minute:02d}:{second:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text
