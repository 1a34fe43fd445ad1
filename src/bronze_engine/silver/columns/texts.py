"""Texts as values of one type, in SQL: each exactly, or NULL.

What a text must look like is what Bronze's own caster takes (`decode.text.values`): DuckDB's
casts read `1e3`, ` 7 `, `0x1F` and `1_000` too, and round what has too many digits. Left out of
what Bronze takes are times that say no minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.silver.database.decimals import ordered_decimal
from bronze_engine.silver.database.sql import literal
from bronze_engine.silver.database.types import is_wide, sql_type

__all__ = ["as_decimal", "double_as_decimal_text", "from_text", "is_integer", "is_json", "within"]

_INTEGER: Final = "0|-?[1-9][0-9]*"
_NUMBER: Final = "-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]{1,6})?"
_SCIENTIFIC: Final = "[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)[eE][-+]?[0-9]{1,3}"
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOUR: Final = "([01][0-9]|2[0-3])"
_OFFSET: Final = f"(Z|[-+]{_HOUR}(:?[0-5][0-9])?)"
_EMPTY: Final = literal("")
_POINT: Final = literal(".")
_ZERO: Final = literal("0")
_LEADING_ZERO: Final = literal("0.")
_MINUS: Final = literal("-")
_SIGNS: Final = literal("+-")
_E: Final = literal("e")
_NO_DIGITS: Final = ("", "+", "-", ".", "+.", "-.")
_ONCE: Final = "once_"
_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")
_FRACTION_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_SURE_CHARACTERS: Final = 16
"""A number without an exponent that is no longer has at most 15 digits, or no point: as a double it
is the same (IEEE 754, DBL_DIG), but for a whole one past 2^53, which 16 digits may be."""


def from_text(text: str, kind: DataType) -> str | None:
    """The expression of a text as a value of `kind`; None where there is no way."""
    if pa.types.is_integer(kind):
        return _matched(text, _INTEGER, f"TRY_CAST({text} AS {sql_type(kind)})")
    if pa.types.is_boolean(kind):
        return (
            f"CASE WHEN {_is_one_of(text, _TRUE)} THEN TRUE"
            f" WHEN {_is_one_of(text, _FALSE)} THEN FALSE END"
        )
    if pa.types.is_float64(kind):
        return _double(text)
    if pa.types.is_decimal(kind):
        return as_decimal(text, kind)
    if pa.types.is_date(kind):
        return _dated(text, _DATE, kind)
    if pa.types.is_timestamp(kind):
        return _timestamp(text, kind)
    if pa.types.is_time(kind):
        form = f"{_clock(kind.unit)}"
        return _matched(text, form, f"TRY_CAST({text} AS {sql_type(kind)})")
    return None


def as_decimal(text: str, kind: DataType) -> str:
    """A number in decimal or scientific notation as a decimal that loses no digit of it."""
    unfolded = within(_unfolded(text), lambda plain: f"CASE {_plain_as_decimal(plain, kind)} END")
    return (
        f"CASE {_plain_as_decimal(text, kind)}"
        f" WHEN regexp_full_match({text}, {literal(_SCIENTIFIC)}) THEN {unfolded} END"
    )


def within(value: str, made: Callable[[str], str]) -> str:
    """An expression over another, which is computed, and stands in it, once."""
    level = 1
    while f"{_ONCE}{level}" in value:
        level += 1
    return f"list_transform([{value}], lambda {_ONCE}{level}: {made(f'{_ONCE}{level}')})[1]"


def _plain_as_decimal(text: str, kind: DataType) -> str:
    """The branch of a CASE for a number without an exponent, and of no more digits than fit."""
    whole = kind.precision - kind.scale
    form = f"[-+]?0*[0-9]{{0,{whole}}}([.][0-9]{{0,{kind.scale}}}0*)?"
    value = f"TRY_CAST({text} AS {sql_type(kind)})"
    if is_wide(kind):
        scaled = _of_scale(text, kind.scale)
        value = within(scaled, lambda plain: ordered_decimal(plain, kind.scale, kind))
    return (
        f"WHEN regexp_full_match({text}, {literal(form)}) AND NOT"
        f" {_is_one_of(text, _NO_DIGITS)} THEN {value}"
    )


def _of_scale(plain: str, scale: int) -> str:
    """A number with just so many digits behind its point, of which it has no more."""
    bare = f"ltrim({plain}, {_SIGNS})"
    whole = f"ltrim(split_part({bare}, {_POINT}, 1), {_ZERO})"
    fraction = f"rpad(split_part({bare}, {_POINT}, 2), {scale}, {_ZERO})"
    return f"concat({_sign(plain)}, {_ZERO}, {whole}, {_POINT}, {fraction})"


def double_as_decimal_text(double: str) -> str:
    """The shortest text that a double is read back from; NULL for what is no number."""
    return f"CASE WHEN isfinite({double}) THEN CAST({double} AS VARCHAR) END"


def is_integer(text: str) -> str:
    """The condition that a text is an integer as JSON writes one."""
    return f"regexp_full_match({text}, {literal(_INTEGER)})"


def is_json(text: str) -> str:
    """The condition that a text is JSON (RFC 8259). DuckDB's own also takes NaN, Infinity and a
    comma too many."""
    bare = f"regexp_replace({text}, {literal(_JSON_TEXT)}, {_ZERO}, {literal('g')})"
    return f"json_valid({text}) AND NOT regexp_matches({bare}, {literal(_NO_JSON)})"


_JSON_TEXT: Final = r'"([^"\\]|\\.)*"'
_NO_JSON: Final = r"[nN][aA][nN]|[iI][nN][fF]|,\s*[\]}]|/[/*]"


def _matched(text: str, form: str, value: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, {literal(form)}) THEN {value} END"


def _is_one_of(text: str, words: tuple[str, ...]) -> str:
    return f"{text} IN ({', '.join(map(literal, words))})"


def _dated(text: str, form: str, kind: DataType) -> str:
    """Of the years 1 to 9999, as Bronze's own columns of times have them."""
    value = f"TRY_CAST({text} AS {sql_type(kind)})"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(form)}) AND {text} >= {literal('0001')}"
        f" THEN {value} END"
    )


def _clock(unit: str) -> str:
    digits = _FRACTION_DIGITS[unit]
    fraction = f"([.][0-9]{{1,{digits}}})?" if digits else ""
    return f"{_HOUR}:[0-5][0-9](:[0-5][0-9]{fraction})?"


def _timestamp(text: str, kind: DataType) -> str:
    """An offset is required where the type has a zone, and refused where it has none."""
    clock = f"[T ]{_clock(kind.unit)}"
    form = f"{_DATE}({clock})?" if kind.tz is None else f"{_DATE}{clock}{_OFFSET}"
    return _dated(text, form, kind)


def _double(text: str) -> str:
    """A number whose double prints the same number: most print the same text, or have so few digits
    that they always do."""
    double = f"TRY_CAST({text} AS DOUBLE)"
    printed = f"CAST({double} AS VARCHAR)"
    sure = f"length({text}) < {_SURE_CHARACTERS} AND NOT regexp_matches({text}, {literal('[eE]')})"
    same = f"{_number_of(text)} = {within(printed, _number_of)}"
    return (
        f"CASE WHEN NOT regexp_full_match({text}, {literal(_NUMBER)}) THEN NULL"
        f" WHEN {sure} OR {printed} = {text} THEN {double}"
        f" WHEN isfinite({double}) AND {same} THEN {double} END"
    )


def _number_of(text: str) -> str:
    """What is the same text for two ways to write one number: its digits, without idle zeros, and
    the power of ten that they are multiplied by."""
    mantissa = _mantissa(text)
    digits = f"ltrim({_digits(mantissa)}, {_ZERO})"
    kept = f"rtrim({digits}, {_ZERO})"
    power = f"{_exponent(text)} - {_fraction_length(mantissa)} + length({digits}) - length({kept})"
    return (
        f"CASE WHEN {digits} = {_EMPTY} THEN {_ZERO}"
        f" ELSE concat({_sign(text)}, {kept}, {_E}, {power}) END"
    )


def _unfolded(text: str) -> str:
    """A number in scientific notation as one without an exponent."""
    mantissa = _mantissa(text)
    digits = _digits(mantissa)
    point = f"(length({digits}) - {_fraction_length(mantissa)} + {_exponent(text)})"
    size = f"length({digits})"
    small = f"concat({_LEADING_ZERO}, repeat({_ZERO}, -{point}), {digits})"
    large = f"concat({digits}, repeat({_ZERO}, {point} - {size}))"
    split = f"concat(left({digits}, {point}), {_POINT}, substr({digits}, {point} + 1))"
    return (
        f"concat({_sign(text)}, CASE WHEN {point} <= 0 THEN {small}"
        f" WHEN {point} >= {size} THEN {large} ELSE {split} END)"
    )


def _sign(text: str) -> str:
    return f"CASE WHEN starts_with({text}, {_MINUS}) THEN {_MINUS} ELSE {_EMPTY} END"


def _digits(mantissa: str) -> str:
    return f"replace({mantissa}, {_POINT}, {_EMPTY})"


def _mantissa(text: str) -> str:
    return f"ltrim(regexp_replace({text}, {literal('[eE].*$')}, {_EMPTY}), {_SIGNS})"


def _exponent(text: str) -> str:
    found = f"regexp_extract({text}, {literal('[eE][+]?(-?[0-9]+)$')}, 1)"
    return f"coalesce(TRY_CAST({found} AS INTEGER), 0)"


def _fraction_length(mantissa: str) -> str:
    return (
        f"CASE WHEN contains({mantissa}, {_POINT}) THEN length({mantissa}) -"
        f" strpos({mantissa}, {_POINT})"
        " ELSE 0 END"
    )
