"""Fields of digits as numbers of their column's type, without texts between: a quarter of the time.

Whatever is not plainly a number is left to `cells`, which makes texts of the whole column, so that
what can't be held by the column goes where the schema says.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.sources.copy_binary.buffers import fixed_width, packed, wrapped
from bronze_engine.sources.files.fixed.charset import Units
from bronze_engine.sources.files.fixed.plan import Cut

__all__ = ["field_numbers"]

_MOST_DIGITS: Final = 18
"""Of a signed integer of 64 bits."""

_BLANK: Final = ord(" ")
_ZERO: Final = ord("0")


def _overpunches() -> tuple[Units, Units]:
    """By byte: the digit of a zoned character, 255 for none; and whether it is negative."""
    digits = np.full(256, 255, np.uint8)
    negative = np.zeros(256, bool)
    for texts, is_negative in (
        ("0123456789", False),
        ("{ABCDEFGHI", False),
        ("}JKLMNOPQR", True),
        ("pqrstuvwxy", True),
    ):
        for digit, character in enumerate(texts):
            digits[ord(character)] = digit
            negative[ord(character)] = is_negative
    return digits, negative


_ZONED_DIGITS, _ZONED_NEGATIVE = _overpunches()


def field_numbers(units: Units, cut: Cut, kind: DataType) -> Array | None:
    """A field of each row as a column of `kind`; None where texts must be made of it."""
    if not _is_for(units, cut, kind):
        return None
    split = _split(units, cut)
    if split is None:
        return None
    digits, negative = split
    places = np.ascontiguousarray(digits.T)  # a place of all rows after the other
    is_blank = places == _BLANK
    has_blanks = bool(is_blank.any())
    nulls = is_blank.all(axis=0) if has_blanks else None
    values = places - np.uint8(_ZERO)
    if has_blanks:
        values[is_blank] = 0
        if bool((is_blank[1:] & ~is_blank[:-1]).any()):
            return None
    if int(values.max(initial=0)) > 9:
        return None
    if cut.pad != "0" and not _is_cobol(cut) and _has_leading_zeros(places, is_blank):
        return None
    numbers = _numbers(values)
    if negative is not None:
        np.negative(numbers, out=numbers, where=negative)
    if nulls is not None and not nulls.any():
        nulls = None
    if nulls is not None and bool((units[nulls, -1] != _BLANK).any()):
        return None  # a sign alone
    return _column(numbers, nulls, kind)


def _numbers(values: Units) -> Any:
    """Digits, a row for each place, as integers: by twos, fours and eights, each in as few bytes as
    hold them."""
    count, rows = values.shape
    places = np.zeros((-(-count // 8) * 8, rows), np.uint8)
    places[-count:] = values
    pairs = places[0::2] * np.uint8(10) + places[1::2]
    fours = pairs[0::2] * np.uint16(100) + pairs[1::2]
    eights = fours[0::2] * np.uint32(10**4) + fours[1::2]
    numbers = eights[0].astype(np.int64)
    for each in eights[1:]:
        numbers *= 10**8
        numbers += each
    return numbers


def _is_for(units: Units, cut: Cut, kind: DataType) -> bool:
    """Whether the field is one whose every rule is kept here."""
    if units.dtype != np.uint8 or not 0 < units.shape[1] <= _MOST_DIGITS:
        return False
    if cut.trim != "both" or cut.nulls != ("",) or cut.pad not in (None, "0"):
        return False
    if pa.types.is_decimal128(kind):
        return bool(kind.scale == (cut.scale or 0))
    return bool(pa.types.is_integer(kind)) and not cut.scale


def _split(units: Units, cut: Cut) -> tuple[Units, Units | None] | None:
    """The columns of digits, and which rows are negative."""
    last = units[:, -1]
    if cut.sign == "trailing" and units.shape[1] > 1:
        minus = last == ord("-")
        if bool((minus | (last == _BLANK) | (last == ord("+"))).all()):
            return units[:, :-1], minus
        return None if bool(minus.any()) else (units, None)
    if cut.sign == "overpunch":
        found = _ZONED_DIGITS[last]
        if int(found.max(initial=0)) > 9:
            return None
        digits = units.copy()
        digits[:, -1] = found + np.uint8(_ZERO)
        return digits, _ZONED_NEGATIVE[last]
    return units, None


def _is_cobol(cut: Cut) -> bool:
    return cut.scale is not None or cut.sign is not None


def _has_leading_zeros(places: Units, is_blank: Units) -> bool:
    """Whether a number begins with a zero that it would lose."""
    begins = ~is_blank[:-1] & (places[:-1] == _ZERO)
    begins[1:] &= is_blank[:-2]
    return bool(begins.any())


def _column(numbers: Any, nulls: Any, kind: DataType) -> Array | None:
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if pa.types.is_decimal128(kind):
        if max(-low, high) >= 10**kind.precision:
            return None
        wide = np.empty((len(numbers), 2), np.int64)
        wide[:, 0] = numbers
        np.right_shift(numbers, 63, out=wide[:, 1])
        valid = None if nulls is None else packed(~nulls)
        return pa.Array.from_buffers(kind, len(numbers), [valid, wrapped(wide.reshape(-1))])
    limits = np.iinfo(kind.to_pandas_dtype())
    if low < limits.min or high > limits.max:
        return None
    return fixed_width(kind, numbers.astype(kind.to_pandas_dtype()), nulls)
