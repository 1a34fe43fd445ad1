"""Arrays as the server prints them, for the few that no list of the column's type can hold."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

import numpy as np
import pyarrow as pa

from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.numeric import show_numeric
from bronze_engine.sources.copy_binary.times import show_date, show_time, show_timestamp

__all__ = ["show_array"]

_HEAD: Final = struct.Struct("!iiI")
_DIMENSION: Final = struct.Struct("!ii")
_LENGTH: Final = struct.Struct("!i")
_QUOTED: Final = re.compile(r'[\s"\\{},]|\A\Z|\A[Nn][Uu][Ll][Ll]\Z', re.ASCII)
"""What array_out puts in quotes: what would read as something else without them."""

_FLOAT4_DIGITS: Final = 6
_FLOAT8_DIGITS: Final = 15
_MOST_FLOAT_DIGITS: Final = 18


def show_array(value: bytes, field: Field) -> str:
    """A value of any number of dimensions as array_out prints it: [0:1]={1,NULL}."""
    count, _, _ = _HEAD.unpack_from(value)
    dimensions = [
        _DIMENSION.unpack_from(value, _HEAD.size + place * _DIMENSION.size)
        for place in range(count)
    ]
    if not dimensions:
        return "{}"
    kind = field.element
    if kind is None:
        raise TypeError(f"the field {field.name!r} is an array of nothing")
    leaf = field.type
    while pa.types.is_list(leaf):
        leaf = leaf.value_type
    element = Field(name=field.name, kind=kind, type=leaf)
    texts = _texts(value, _HEAD.size + count * _DIMENSION.size, element)
    bounds = ""
    if any(lower != 1 for _, lower in dimensions):
        bounds = "".join(f"[{lower}:{lower + size - 1}]" for size, lower in dimensions) + "="
    return bounds + _braces([size for size, _ in dimensions], texts)


def _texts(value: bytes, place: int, element: Field) -> Iterator[str]:
    show = _SHOWN[element.kind]
    while place < len(value):
        (length,) = _LENGTH.unpack_from(value, place)
        place += _LENGTH.size
        if length < 0:
            yield "NULL"
            continue
        text = show(value[place : place + length], element)
        place += length
        if _QUOTED.search(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        yield text


def _braces(sizes: list[int], texts: Iterator[str]) -> str:
    first, *others = sizes
    items = (_braces(others, texts) if others else next(texts) for _ in range(first))
    return "{" + ",".join(items) + "}"


def _show_bool(value: bytes, _: Field) -> str:
    return "t" if value[0] else "f"


def _show_integer(value: bytes, element: Field) -> str:
    is_signed = not pa.types.is_unsigned_integer(element.type)
    return str(int.from_bytes(value, "big", signed=is_signed))


def _show_oid(value: bytes, _: Field) -> str:
    return str(int.from_bytes(value, "big"))


def _show_text(value: bytes, _: Field) -> str:
    return value.decode()


def _show_jsonb(value: bytes, _: Field) -> str:
    return value[1:].decode()


def _show_bytea(value: bytes, _: Field) -> str:
    return "\\x" + value.hex()


def _show_uuid(value: bytes, _: Field) -> str:
    return str(UUID(bytes=value))


def _show_float4(value: bytes, _: Field) -> str:
    number = np.frombuffer(value, ">f4").astype(np.float32)[0]
    size = np.abs(number)
    below, above = (float(np.nextafter(size, np.float32(end))) for end in (0, math.inf))
    return _float_text(float(number), below, above, _FLOAT4_DIGITS)


def _show_float8(value: bytes, _: Field) -> str:
    (number,) = struct.unpack("!d", value)
    below, above = (math.nextafter(abs(number), end) for end in (0, math.inf))
    return _float_text(number, below, above, _FLOAT8_DIGITS)


def _float_text(number: float, below: float, above: float, most_digits: int) -> str:
    """The fewest digits that give the number back, with an exponent where the server has one.

    `below` and `above` are the numbers next to it in size. Where the fewest digits lie halfway
    to one of them, Python relies on the reader to choose the even one; the server takes one
    digit more.
    """
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    sign = "-" * (math.copysign(1, number) < 0)
    size = abs(number)
    if not size:
        return f"{sign}0"
    exact = Fraction(size)
    least = (exact + Fraction(below)) / 2
    most = exact + (exact - least) if math.isinf(above) else (exact + Fraction(above)) / 2
    plain = next(
        candidate.normalize()
        for digits in range(_MOST_FLOAT_DIGITS)
        for candidate in _roundings(size, digits)
        if least < Fraction(candidate) < most
    )
    if -4 <= plain.adjusted() < most_digits:
        return f"{sign}{plain:f}"
    mantissa, _, exponent = f"{plain:e}".partition("e")
    return f"{sign}{mantissa}e{exponent[0]}{exponent[1:]:0>2}"


def _roundings(size: float, digits: int) -> tuple[Decimal, Decimal]:
    """The nearest number of so many decimals, and the one above it: above a power of two there
    is twice the room that there is below, so it may be the better one."""
    nearest = Decimal(f"{size:.{digits}e}")
    return nearest, nearest + Decimal(1).scaleb(nearest.adjusted() - digits)


_SHOWN: Final[Mapping[Kind, Callable[[bytes, Field], str]]] = {
    "bool": _show_bool,
    "bytea": _show_bytea,
    "date": show_date,
    "float4": _show_float4,
    "float8": _show_float8,
    "int2": _show_integer,
    "int4": _show_integer,
    "int8": _show_integer,
    "jsonb": _show_jsonb,
    "numeric": show_numeric,
    "oid": _show_oid,
    "text": _show_text,
    "time": show_time,
    "timestamp": show_timestamp,
    "timestamptz": show_timestamp,
    "uuid": _show_uuid,
}
"""As the types' output functions print them, with the settings of our sessions (bytea_output
hex, DateStyle ISO, TimeZone UTC, extra_float_digits 1)."""
