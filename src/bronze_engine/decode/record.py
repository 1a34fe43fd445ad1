"""One JSON record, read so that nothing in it is changed, or refused with the reason."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, final

import msgspec

__all__ = [
    "JSON_TEXT",
    "MAX_DEPTH",
    "BadRecord",
    "JsonText",
    "Number",
    "is_exact_double",
    "raw_values",
    "read_record",
]

MAX_DEPTH: Final = 100
"""Levels of nesting, the record's own braces included. C++ readers recurse: they crash on more."""

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_ZERO: Final = re.compile(r"[1-9]")
_EXPONENT: Final = re.compile(r"[eE]")
_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SAFE_INTEGER_DIGITS: Final = 15
_READER_DIGITS: Final = 300
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1


@final
class BadRecord(Exception):
    """The record can't be landed without changing it; the message says why."""


@final
class Number:
    """A number that neither an int64 nor, written as a fraction, a double holds exactly."""

    __slots__ = ("double", "text")

    def __init__(self, text: str, double: float | None) -> None:
        self.text = text
        self.double = double
        """The double that holds it all the same: of integers such as 1 followed by 20 zeros."""


@final
class JsonText:
    """Stands for a value that is kept as the text that was sent, whatever is in it."""


JSON_TEXT: Final = JsonText()


def is_exact_double(text: str, value: float) -> bool:
    """Whether `value`'s shortest decimal form is numerically what `text` says.

    That is what any reader of the double prints, so the source's number can be got back.
    Zeros with an exponent and texts of over 300 characters count as inexact: pyarrow's
    reader refuses some of them (0e400) as too big for a double.
    """
    if value in (float("inf"), float("-inf")) or len(text) > _READER_DIGITS:
        return False
    if value == 0:
        mantissa, *exponent = _EXPONENT.split(text, maxsplit=1)
        return _NOT_ZERO.search(mantissa) is None and not exponent
    shortest = repr(value)
    return shortest == text or Decimal(shortest) == Decimal(text)


def _fraction(text: str) -> float | Number:
    value = float(text)
    # Any decimal of up to 15 digits survives the way through a double (IEEE 754, DBL_DIG).
    if len(text) <= _SAFE_INTEGER_DIGITS and "e" not in text and "E" not in text:
        return value
    return value if is_exact_double(text, value) else Number(text, None)


def _integer(text: str) -> int | Number:
    if len(text) <= 20:  # a sign and the 19 digits of 2^63
        value = int(text)
        if _INT64_MIN <= value <= _INT64_MAX:
            return value
    double = float(text)
    return Number(text, double if is_exact_double(text, double) else None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadRecord(f"key {key!r} stands twice in one object")
            seen.add(key)
    return found


def _constant(text: str) -> Any:
    raise BadRecord(f"{text} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_fraction,
    parse_int=_integer,
    parse_constant=_constant,
)


def read_record(line: bytes) -> dict[str, Any]:
    """The record of one line: None, bool, int (of 64 bits), float (exact), Number, str, list, dict.

    Raises BadRecord for what is no JSON object, has a key twice at any depth, is not
    UTF-8, holds a lone surrogate, NaN or an infinity, or is nested deeper than MAX_DEPTH.
    """
    if line.count(b"{") + line.count(b"[") > MAX_DEPTH and _depth(line) > MAX_DEPTH:
        raise BadRecord(f"nested deeper than {MAX_DEPTH} levels")
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise BadRecord(f"not UTF-8: {exc.reason} at byte {exc.start}") from exc
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise BadRecord(f"not JSON: {exc}") from exc
    if type(value) is not dict:
        raise BadRecord(
            f'{_kind(value)} instead of an object; record_kind = "value" or "array" lands those'
        )
    if "\\u" in text and _has_surrogate(value):
        raise BadRecord("a lone surrogate, which is no character")
    return value


def raw_values(line: bytes) -> dict[str, bytes]:
    """The exact text of each top-level value of a record that `read_record` took."""
    return {key: bytes(raw) for key, raw in _RAW.decode(line).items()}


def _depth(line: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", line):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _has_surrogate(value: Any) -> bool:
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if type(value) is list:
        return any(map(_has_surrogate, value))
    if type(value) is dict:
        return any(map(_has_surrogate, value)) or any(map(_has_surrogate, value.values()))
    return False


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, list):
        return "an array"
    return "a string" if isinstance(value, str) else "a number"
