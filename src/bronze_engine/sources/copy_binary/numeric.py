"""numeric to decimal, exact to the last digit.

A value is sent as uint16 count of digits, int16 weight, uint16 sign, uint16 display scale, and
then digits of base 10,000, an int16 each: the first stands for 10000**weight, each other for one
weight less. Zeros are left out at both ends. numeric_send says so:
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c

The rows' digits are lined up by weight, so that each weight is one multiplication and one
addition of whole columns (words.py). What does not line up is looked at row by row.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from bronze_engine.sources.copy_binary.buffers import empty, fixed_width
from bronze_engine.sources.copy_binary.cells import Cells, Mask, Words, gather
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.reader import Column
from bronze_engine.sources.copy_binary.words import Step, write_words

__all__ = ["read_numeric", "show_numeric"]

_HEAD_BYTES: Final = 8
_DIGIT_BYTES: Final = 2
_BASE: Final = 10_000
_BASE_DIGITS: Final = 4
_NEGATIVE: Final = 0x4000
_WHOLE: Final = pa.decimal128(18, 0)
"""Any such number fits int64."""
_NAMES: Final = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}


class _Room(NamedTuple):
    """The weights that a decimal has room for."""

    precision: int
    scale: int

    @property
    def top(self) -> int:
        """The weight of the largest value's first digit."""
        return (self.precision - self.scale - 1) // _BASE_DIGITS

    @property
    def top_limit(self) -> int:
        """A digit of that weight is less than this."""
        return int(10 ** (self.precision - self.scale - _BASE_DIGITS * self.top))

    @property
    def bottom(self) -> int:
        """The weight of the last digit that counts."""
        return -((self.scale + _BASE_DIGITS - 1) // _BASE_DIGITS)

    @property
    def bottom_places(self) -> int:
        """How many decimal places of a digit of that weight lie behind the scale: zeros."""
        return -_BASE_DIGITS * self.bottom - self.scale


class _Lined(NamedTuple):
    """Digits in columns, one a weight, from `top` downwards."""

    digits: Words
    top: int
    is_negative: Mask | None
    odd: Mask | None
    """Rows whose digits are not there: all zeros stand for them."""


def read_numeric(cells: Cells, field: Field) -> Column:
    """As decimal128 or decimal256, or as int64, of 18 digits then. NaN, the infinities, and what
    the type's precision and scale have no room for are special."""
    kind = field.type
    if pa.types.is_int64(kind):
        whole = msgspec.structs.replace(field, type=_WHOLE)
        array, special = read_numeric(cells, whole)
        return Column(array.cast(kind), special)
    room = _Room(kind.precision, kind.scale)
    words = kind.bit_width // 64
    values = empty(len(cells) * words, "<i8").reshape(len(cells), words)
    if not len(cells):
        return Column(fixed_width(kind, values, None))
    lined = _lined_up(cells, room, field)
    steps, odd = _steps(lined, room)
    write_words(values, steps, lined.is_negative)
    nulls, special = cells.nulls, None
    if odd is not None:
        special = _settle(values, cells, odd, room)
        if special is not None:
            nulls = special if nulls is None else nulls | special
    return Column(fixed_width(kind, values, nulls), special)


def show_numeric(value: bytes, field: Field) -> str:  # noqa: ARG001  # as Reader.show has it
    """A value as numeric_out prints it, whatever its size."""
    sign = int.from_bytes(value[4:6], "big")
    if sign in _NAMES:
        return _NAMES[sign]
    places = int.from_bytes(value[6:8], "big")
    digits, weight = _digits(value)
    texts = {weight - at: f"{digit:04d}" for at, digit in enumerate(digits)}
    whole = "".join(texts.get(at, "0000") for at in range(weight, -1, -1)).lstrip("0") or "0"
    behind = "".join(texts.get(at, "0000") for at in range(-1, -places // _BASE_DIGITS - 1, -1))
    return f"{'-' * (sign == _NEGATIVE)}{whole}{'.' * (places > 0)}{behind[:places]}"


def _lined_up(cells: Cells, room: _Room, field: Field) -> _Lined:
    heads = cells.window(_HEAD_BYTES).view(">u8")[:, 0]
    first = int(heads[0])
    if cells.nulls is None and bool((heads == first).all()):
        lined = _alike(cells, first, room, field)
        if lined is not None:
            return lined
    counts_and_weights = cells.window(4).view(">i4")[:, 0].astype(np.int32)
    if cells.nulls is not None:
        counts_and_weights[cells.nulls] = 0
    count = (counts_and_weights >> 16) & 0xFFFF  # of the largest numeric: more than int16 holds
    weight = (counts_and_weights << 16) >> 16
    _check_counts(count, cells, field)
    signs = cells.window(6)[:, 4:].view(">u2")[:, 0]
    is_negative, odd = _signs(signs, cells.nulls)
    if (
        room.bottom > 0  # the weight of 0 is 0
        or int(weight.max()) > room.top
        or int((weight - count).min()) < room.bottom - 1
    ):
        weight[count == 0] = room.bottom
        odd = _more(odd, (weight > room.top) | (weight - count < room.bottom - 1))
    if odd is not None:
        count[odd], weight[odd] = 0, room.bottom
    top = max(int(weight.max()), room.bottom)
    width = top - room.bottom + 1
    before = top - weight
    starts = cells.starts - _DIGIT_BYTES * before
    starts += _HEAD_BYTES
    digits = gather(cells.data, starts, _DIGIT_BYTES * width).view(">u2")
    if int(count.min()) < width or before.any():
        # what stands there of other columns, and what digits there are of the rows set aside
        digits &= _masks(width).take(before * (width + 1) + count, axis=0)
    return _Lined(digits, top, is_negative, odd)


def _alike(cells: Cells, head: int, room: _Room, field: Field) -> _Lined | None:
    """The digits where all rows have the same head and all of them fit; else None."""
    count, weight, sign = head >> 48, (head >> 32) & 0xFFFF, (head >> 16) & 0xFFFF
    weight -= (weight & 0x8000) << 1
    if sign > _NEGATIVE or (count and not room.bottom - 1 <= weight - count < weight <= room.top):
        return None
    _check_counts(np.array([count]), cells, field)
    digits = cells.window(_HEAD_BYTES + _DIGIT_BYTES * count)[:, _HEAD_BYTES:].view(">u2")
    is_negative = np.ones(len(cells), np.bool_) if sign else None
    return _Lined(digits, weight if count else room.bottom, is_negative, None)


def _signs(signs: Words, nulls: Mask | None) -> tuple[Mask | None, Mask | None]:
    """The rows that are negative, and those that are no number; None where there are none."""
    if not signs.any():
        return None, None
    signs = signs.astype(np.uint16)
    if nulls is not None:
        signs[nulls] = 0
    return signs == _NEGATIVE, _more(None, signs > _NEGATIVE)


def _check_counts(count: Words, cells: Cells, field: Field) -> None:
    """Raise BrokenFraming where a value is not as long as its digits."""
    lengths = cells.lengths if cells.uniform is None else cells.uniform
    same = _HEAD_BYTES + _DIGIT_BYTES * count == lengths
    if cells.nulls is not None:
        same |= cells.nulls
    if not same.all():
        raise BrokenFraming(
            f'column "{field.name}" has a value that is not as long as a numeric of its digits'
        )


@functools.lru_cache
def _masks(width: int) -> Words:
    """Which of `width` digits are a row's own, by how many lack in front and how many it has."""
    lacking = np.arange(width)[:, np.newaxis, np.newaxis]
    count = np.arange(width + 1)[np.newaxis, :, np.newaxis]
    place = np.arange(width)
    own = (place >= lacking) & (place < lacking + count)
    return np.where(own, 0xFFFF, 0).astype(">u2").reshape(-1, width)


def _steps(lined: _Lined, room: _Room) -> tuple[list[Step], Mask | None]:
    """What to add up, and the rows that were set aside or turn out not to fit."""
    digits, odd = lined.digits, lined.odd
    steps: list[Step] = []
    for place in range(lined.top - room.bottom + 1):
        digit = digits[:, place].astype(np.int64) if place < digits.shape[1] else None
        if digit is not None and not place and lined.top == room.top and room.top_limit < _BASE:
            odd = _more(odd, digit >= room.top_limit)
        size = _BASE_DIGITS
        if lined.top - place == room.bottom and room.bottom_places:
            size -= room.bottom_places
            if digit is not None:
                whole = digit // 10**room.bottom_places
                odd = _more(odd, whole * 10**room.bottom_places != digit)
                digit = whole
        steps.append(Step(digit, size))
    return steps, odd


def _more(odd: Mask | None, found: Mask) -> Mask | None:
    if not found.any():
        return odd
    return found if odd is None else odd | found


def _settle(values: Words, cells: Cells, odd: Mask, room: _Room) -> Mask | None:
    """Write what fits after all (zeros that a server need not send); True where it does not."""
    special = np.zeros(len(cells), np.bool_)
    size = values.shape[1] * 8
    for row in np.flatnonzero(odd).tolist():
        number = _unscaled(cells.value(row), room)
        special[row] = number is None
        values[row] = np.frombuffer((number or 0).to_bytes(size, "little", signed=True), "<i8")
    return special if special.any() else None


def _unscaled(value: bytes, room: _Room) -> int | None:
    """A number times 10**scale; None where there is no room for it."""
    sign = int.from_bytes(value[4:6], "big")
    digits, weight = _digits(value)
    last = weight - len(digits) + 1
    if sign > _NEGATIVE or (digits and not room.bottom <= last <= weight <= room.top):
        return None
    number = 0
    for digit in digits + [0] * (last - room.bottom if digits else 0):
        number = number * _BASE + digit
    number, rest = divmod(number, int(10**room.bottom_places))
    if rest or number >= 10**room.precision:
        return None
    return -number if sign == _NEGATIVE else number


def _digits(value: bytes) -> tuple[list[int], int]:
    """A number's digits without zeros at either end, and the weight of the first."""
    digits: list[int] = np.frombuffer(value, ">u2", offset=_HEAD_BYTES).tolist()
    weight = int.from_bytes(value[2:4], "big", signed=True)
    there = [at for at, digit in enumerate(digits) if digit]
    if not there:
        return [], 0
    return digits[there[0] : there[-1] + 1], weight - there[0]
