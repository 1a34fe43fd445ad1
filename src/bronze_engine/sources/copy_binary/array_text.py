"""Arrays as the server prints them, for the few that no list of the column's type can hold."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

import numpy as np

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
    element = Field(name=field.name, kind=kind, type=field.type)
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


def _show_integer(value: bytes, _: Field) -> str:
    return str(int.from_bytes(value, "big", signed=True))


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
    return _float_text(str(np.frombuffer(value, ">f4")[0]), _FLOAT4_DIGITS)


def _show_float8(value: bytes, _: Field) -> str:
    return _float_text(repr(struct.unpack("!d", value)[0]), _FLOAT8_DIGITS)


def _float_text(shortest: str, most_digits: int) -> str:
    """The shortest digits that give the number back, with an exponent where the server has one."""
    if shortest in ("nan", "inf", "-inf"):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[shortest]
    number = Decimal(shortest)
    if not number:
        return "-0" if number.is_signed() else "0"
    number = number.normalize()
    if -4 <= number.adjusted() < most_digits:
        return f"{number:f}"
    digits, _, exponent = f"{number:e}".partition("e")
    return f"{digits}e{exponent[0]}{exponent[1:]:0>2}"


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
