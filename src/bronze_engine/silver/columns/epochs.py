"""Numbers since 1970 as timestamps, in SQL: exactly, or NULL."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role
from bronze_engine.silver.columns.texts import is_integer, within
from bronze_engine.silver.database.types import sql_type

__all__ = ["EPOCH_NUMBER", "epoch", "is_epoch"]

EPOCH_NUMBER: Final = pa.decimal128(38, 9)
"""What a number is read as that may have a fraction."""
_DIGITS: Final = {"epoch_s": 0, "epoch_ms": 3, "epoch_us": 6, "epoch_ns": 9}
"""Of the fractions of a second that each counts."""
_TICKS: Final = (-62_135_596_800_000_000, 253_402_300_799_999_999, 1000)
"""Of microseconds the years 1 to 9999, as Bronze's epochs have them: milliseconds taken for seconds
lie past them; and how many nanoseconds each is."""
_FINE_TICKS: Final = (2 - 2**63, 2**63 - 2, 1)
"""Of nanoseconds all but DuckDB's infinities."""


def is_epoch(role: Role) -> bool:
    return role in _DIGITS


def epoch(value: str, number: str, given: DataType, wanted: DataType, role: Role) -> str:
    """The timestamp of `value`, which as EPOCH_NUMBER is `number`. Whole numbers, and texts that
    say one, are not made decimals: it takes twenty times as long."""
    digits = _DIGITS[role]
    if pa.types.is_integer(given):
        return _instant_at(_whole_ticks(value, digits, wanted), wanted)
    ticks = within(number, lambda number: _ticks(number, digits, wanted))
    if pa.types.is_string(given) or pa.types.is_large_string(given):
        whole = _whole_ticks(f"TRY_CAST({value} AS BIGINT)", digits, wanted)
        ticks = f"CASE WHEN {is_integer(value)} THEN {whole} ELSE {ticks} END"
    return _instant_at(ticks, wanted)


def _instant_at(ticks: str, wanted: DataType) -> str:
    if wanted.unit == "ns":
        return f"CAST(make_timestamp_ns({ticks}) AS {sql_type(wanted)})"
    return f"make_timestamptz({ticks})"


def _whole_ticks(value: str, digits: int, wanted: DataType) -> str:
    """Of whole numbers of units of a second with so many digits; NULL for too many."""
    least, most, idle = _FINE_TICKS if wanted.unit == "ns" else _TICKS
    factor = 10 ** (9 - digits) // idle
    inside = f"{value} BETWEEN {-(-least // factor)} AND {most // factor}"
    return f"CASE WHEN {inside} THEN CAST({value} AS BIGINT) * {factor} END"


def _ticks(number: str, digits: int, wanted: DataType) -> str:
    """Of numbers with fractions; NULL where parts of one are left, or there are too many."""
    least, most, idle = _FINE_TICKS if wanted.unit == "ns" else _TICKS
    per_unit = 10 ** (9 - digits)
    limit = 10**20 // per_unit  # beyond all of them, and short enough to be multiplied
    bounded = f"CASE WHEN {number} BETWEEN {-limit} AND {limit} THEN {number} END"

    def whole(nanoseconds: str) -> str:
        count = f"CAST({nanoseconds} AS HUGEINT)"
        return (
            f"CASE WHEN {count} = {nanoseconds} AND {count} % {idle} = 0"
            f" AND {count} // {idle} BETWEEN {least} AND {most}"
            f" THEN CAST({count} // {idle} AS BIGINT) END"
        )

    return within(f"CAST(({bounded}) * {per_unit} AS DECIMAL(38, 9))", whole)
