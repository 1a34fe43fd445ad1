"""Values of configured types: taken exactly, or not at all.

What is here twice, value by value for the exact path and in C++ for the fast one, must agree.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.guard import changed_doubles
from bronze_engine.decode.record import Number, is_exact_double
from bronze_engine.model.arrow import Array, DataType, scalar
from bronze_engine.model.layout import Epoch, Role

__all__ = [
    "EPOCHS",
    "cast_temporal",
    "cast_texts",
    "decimal_text",
    "epoch_count",
    "instants_of",
    "integer_text",
    "is_epoch",
    "is_temporal",
    "plain_text",
    "takes_texts",
]

EPOCHS: Final[dict[Role, int]] = {"epoch_s": 6, "epoch_ms": 3, "epoch_us": 0, "epoch_ns": 0}
"""Powers of ten from the unit of the source to that of the column."""

_FIRST_MICROSECOND: Final = -62_135_596_800_000_000
_LAST_MICROSECOND: Final = 253_402_300_799_999_999
"""Years 1 to 9999: milliseconds taken for seconds lie past them, so the mistake shows."""

_DECIMAL_TEXT: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)
_INTEGER: Final = r"^(0|-?[1-9][0-9]*)$"
_NUMBER: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_BOOLEAN: Final = r"^(true|false|True|False|TRUE|FALSE)$"
_INTEGER_TEXT: Final = re.compile(_INTEGER.replace("$", r"\Z"))
_FAR_BEHIND: Final = r"[eE]-0*[1-9][0-9]"
"""An exponent past which Arrow makes 0 of some numbers (`guard.keeps_decimals`)."""
_NUMBER_TEXT: Final = re.compile(_NUMBER.replace("$", r"\Z"))
_MICROSOFT_DATE: Final = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/", re.ASCII)
"""Xero's and OData 2's: milliseconds in UTC; an offset says in which zone they were written."""
_BOOLEAN_TEXT: Final = re.compile(_BOOLEAN.replace("$", r"\Z"))
_MOST_DIGITS: Final = 60


def is_temporal(kind: DataType) -> bool:
    """Whether the column is read as text and cast: the reader itself ignores offsets."""
    return pa.types.is_temporal(kind)


def is_epoch(role: Role) -> bool:
    return role in EPOCHS


def takes_texts(kind: DataType, role: Role) -> bool:
    """Whether texts that are numbers or booleans fit a configured column of this type."""
    if role in EPOCHS:
        return True
    return role == "value" and (
        pa.types.is_integer(kind) or pa.types.is_boolean(kind) or kind == pa.float64()
    )


def plain_text(text: str, kind: DataType) -> bytes | None:
    """A text as the number or boolean that it says, in JSON; None where it says none exactly.

    Numbers are written as JSON writes them: 00123 has zeros that an integer would lose.
    """
    if pa.types.is_boolean(kind):
        return text.lower().encode() if _BOOLEAN_TEXT.match(text) else None
    if pa.types.is_integer(kind):
        return integer_text(int(text), kind) if _is_short_integer(text) else None
    if _NUMBER_TEXT.match(text) and is_exact_double(text, float(text)):
        return text.encode()
    return None


def integer_text(value: Any, kind: DataType) -> bytes | None:
    """An integer that a column of this type holds; None for what it does not."""
    if type(value) is Number and _is_short_integer(value.text):
        value = int(value.text)
    if type(value) is not int:
        return None
    bits = kind.bit_width
    is_unsigned = pa.types.is_unsigned_integer(kind)
    low, high = (0, 2**bits - 1) if is_unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return b"%d" % value if low <= value <= high else None


def _is_short_integer(text: str) -> bool:
    return len(text) <= 20 and _INTEGER_TEXT.match(text) is not None  # a sign, 19 digits; 2^64


def decimal_text(value: Any, kind: DataType) -> bytes | None:
    """A number or text that this decimal column holds, without exponent or idle zeros."""
    number = _decimal(value)
    if number is None:
        return None
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    trimmed = text.rstrip("0")
    scale = -int(exponent) - (len(text) - len(trimmed))
    whole = len(trimmed.lstrip("0")) - scale
    if trimmed and (scale > kind.scale or whole > kind.precision - kind.scale):
        return None
    plain = f"{number:f}" if trimmed else "0"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain).encode()


def _decimal(value: Any) -> Decimal | None:
    match value:
        case bool():
            return None
        case int():
            return Decimal(value)
        case float():
            return Decimal(repr(value))
        case str() | Number():
            text = value if isinstance(value, str) else value.text
            return Decimal(text) if _DECIMAL_TEXT.fullmatch(text) else None
        case _:
            return None


def epoch_count(value: Any, role: Role) -> bytes | None:
    """The instant of a number since 1970 in units of its column; None where that is not exact."""
    if type(value) is str and not _NUMBER_TEXT.match(value):
        date = _MICROSOFT_DATE.fullmatch(value) if role == "epoch_ms" else None
        if date is None:
            return None
        value = date[1]
    number = _decimal(value)
    if number is None or number.adjusted() > _MOST_DIGITS:
        return None
    sign, digits, exponent = number.as_tuple()
    places = int(exponent) + EPOCHS[role]
    count = int("".join(map(str, digits)))
    if places < 0:
        count, rest = divmod(count, 10 ** min(-places, len(digits) + 1))
        if rest:
            return None
    else:
        count *= 10 ** min(places, _MOST_DIGITS)
    count = -count if sign else count
    low, high = _bounds(role)
    return b"%d" % count if low <= count <= high else None


def instants_of(counts: Array, role: Epoch | Role, kind: DataType) -> Array:
    """Integers since 1970 as timestamps. Raises pa.ArrowInvalid where one has no place."""
    low, high = _bounds(role)
    ends = pc.min_max(counts)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    factor = 10 ** EPOCHS[role]
    if least is not None and (least * factor < low or most * factor > high):
        raise pa.ArrowInvalid("an instant before year 1 or after year 9999")
    if factor > 1:
        counts = pc.multiply(counts, scalar(factor, pa.int64()))
    return counts.cast(kind)


def _bounds(role: Role) -> tuple[int, int]:
    if role == "epoch_ns":
        return -(2**63), 2**63 - 1
    return _FIRST_MICROSECOND, _LAST_MICROSECOND


def cast_texts(texts: Array, kind: DataType) -> Array:
    """What `plain_text` does, for a column of texts. Raises pa.ArrowInvalid where it gives None."""
    if pa.types.is_boolean(kind):
        _require(texts, _BOOLEAN)
        return pc.equal(pc.ascii_lower(texts), scalar("true", pa.string()))
    if pa.types.is_integer(kind):
        _require(texts, _INTEGER)
        return texts.cast(kind)
    _require(texts, _NUMBER)
    if pa.types.is_decimal(kind) and _any(texts, _FAR_BEHIND):
        raise pa.ArrowInvalid("a number for which Arrow has no power of ten")
    numbers = texts.cast(kind)
    if changed_doubles(texts.drop_null()):
        raise pa.ArrowInvalid("a number that its double changes")
    return numbers


def _any(texts: Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern=pattern), min_count=0).as_py())


def _require(texts: Array, pattern: str) -> None:
    if not pc.all(pc.match_substring_regex(texts, pattern=pattern), min_count=0).as_py():
        raise pa.ArrowInvalid("a text that says no number or boolean exactly")


def cast_temporal(texts: Array, kind: DataType) -> Array:
    """Text to timestamp, date or time; strict about offsets, digits lost are an error.

    An offset is required where the type has a zone and refused where it has none. Raises
    pa.ArrowInvalid.
    """
    if pa.types.is_time(kind):  # Arrow has no cast from text to time
        moments = pc.binary_join_element_wise("1970-01-01T", texts, "")
        return pc.cast(pc.cast(moments, pa.timestamp("us")), kind)
    return pc.cast(texts, kind)
