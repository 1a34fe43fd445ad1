"""PostgreSQL's types: how a column is asked for, how its bytes are read, what it lands as.

A type that stands in `_BINARY`, an enum, a domain over either and an array of either are read
from their binary form. Any other is asked for as the text that the server prints, which is
exact by definition: intervals, ranges, addresses, money, composite and extension types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role
from bronze_engine.model.types.widening import decimal_of
from bronze_engine.sources.copy_binary.field import Kind
from bronze_engine.sources.postgres.catalogue import CatalogueColumn

__all__ = ["Reading", "reading_as", "reading_of"]

_TEXT: Final = "{}::pg_catalog.text"
_TEXTS: Final = "{}::pg_catalog.text[]"
_JSON: Final = "pg_catalog.to_json({})::pg_catalog.text"
_PRINTED: Final[Mapping[str, str]] = {
    # Its cast to text adds a netmask that the server does not print.
    "inet": "pg_catalog.textin(pg_catalog.inet_out({}))",
}

_BINARY: Final[Mapping[str, tuple[Kind, DataType]]] = {
    "bool": ("bool", pa.bool_()),
    "int2": ("int2", pa.int16()),
    "int4": ("int4", pa.int32()),
    "int8": ("int8", pa.int64()),
    "oid": ("oid", pa.int64()),
    "xid": ("oid", pa.int64()),
    "cid": ("oid", pa.int64()),
    "xid8": ("int8", pa.uint64()),
    "float4": ("float4", pa.float32()),
    "float8": ("float8", pa.float64()),
    "text": ("text", pa.string()),
    "varchar": ("text", pa.string()),
    "bpchar": ("text", pa.string()),
    "name": ("text", pa.string()),
    "json": ("text", pa.string()),
    "jsonb": ("jsonb", pa.string()),
    "bytea": ("bytea", pa.binary()),
    "uuid": ("uuid", pa.string()),
    "date": ("date", pa.date32()),
    "time": ("time", pa.time64("us")),
    "timestamp": ("timestamp", pa.timestamp("us")),
    "timestamptz": ("timestamptz", pa.timestamp("us", "UTC")),
}
"""What of pg_catalog is read from binary. oid and its like have 32 bits without a sign and land
as int64, which every reader of Parquet knows; xid8 has 64."""

_DIGITS: Final[Mapping[str, int]] = {"int2": 5, "int4": 10, "int8": 19}
"""Of the integers that can be cast to numeric: oid and its like can't."""
_INT64_DIGITS: Final = 18


@final
class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a column is asked for and read."""

    kind: Kind
    type: DataType
    role: Role = "value"
    element: Kind | None = None
    template: str = "{}"
    """What to select, {} standing for the column's quoted name."""


def reading_of(column: CatalogueColumn) -> Reading:
    """How a column is read where nothing else is asked for."""
    reading = _scalar(column)
    if not column.is_array:
        return reading
    if reading.template == _TEXT:
        return _list(column, Reading(kind="text", type=pa.string()), _TEXTS)
    if reading.template != "{}":  # what each element would need has no form for arrays
        return Reading(kind="text", type=pa.string(), template=_TEXT)
    return _list(column, reading)


def reading_as(column: CatalogueColumn, kind: DataType, role: Role = "value") -> Reading | None:
    """How a column is read as another type, which holds each of its values exactly.

    A decimal may be too small for some values of a numeric: those are special. None where
    the type may change or lose a value.
    """
    usual = reading_of(column)
    if role == "json":
        return usual if usual.role == "json" else _text(_JSON, role="json")
    if pa.types.is_string(kind):
        is_text = pa.types.is_string(usual.type)
        return msgspec.structs.replace(usual, role="value") if is_text else _text(_TEXT)
    if usual.type == kind:
        return usual
    if column.is_array:
        return _list_as(column, kind)
    if _is_numeric(column) and pa.types.is_decimal(kind):
        return Reading(kind="numeric", type=kind)
    return _scalar_as(usual, kind)


def _text(template: str, role: Role = "value") -> Reading:
    return Reading(kind="text", type=pa.string(), role=role, template=template)


def _scalar(column: CatalogueColumn) -> Reading:
    """How one value is read: of an array one of its elements."""
    if column.type_kind == "enum":
        return Reading(kind="text", type=pa.string())
    name = column.type_name
    if column.type_schema != "pg_catalog":
        return _text(_TEXT)
    if _is_numeric(column) and column.modifier >= 0:
        kind = decimal_of(*_precision_and_scale(column.modifier))
        return _text(_TEXT) if kind is None else Reading(kind="numeric", type=kind)
    if name in _BINARY:
        how, kind = _BINARY[name]
        return Reading(kind=how, type=kind, role="json" if name in ("json", "jsonb") else "value")
    return _text(_PRINTED.get(name, _TEXT))


def _is_numeric(column: CatalogueColumn) -> bool:
    return (column.type_schema, column.type_name) == ("pg_catalog", "numeric")


def _precision_and_scale(modifier: int) -> tuple[int, int]:
    """As numeric.c packs them: 16 bits of precision, and since version 15 11 of a signed scale."""
    bits = modifier - 4
    return (bits >> 16) & 0xFFFF, ((bits & 0x7FF) ^ 0x400) - 0x400


def _list(column: CatalogueColumn, element: Reading, template: str = "{}") -> Reading:
    kind = element.type
    for _ in range(max(column.dimensions, 1)):
        kind = pa.list_(kind)
    return Reading(kind="array", type=kind, element=element.kind, template=template)


def _list_as(column: CatalogueColumn, kind: DataType) -> Reading | None:
    depth = 0
    while pa.types.is_list(kind):
        kind = kind.value_type
        depth += 1
    if depth != max(column.dimensions, 1):
        return None
    if pa.types.is_string(kind):
        return _list(column, _text("{}"), _TEXTS)
    element = _scalar_as(_scalar(column), kind)
    return _list(column, element) if element is not None and element.template == "{}" else None


def _scalar_as(usual: Reading, kind: DataType) -> Reading | None:
    same = msgspec.structs.replace(usual, type=kind)
    match usual.kind:
        case "int2" | "int4" | "int8" | "oid":
            return _integer_as(usual, kind)
        case "numeric" if pa.types.is_int64(kind):
            fits = usual.type.scale == 0 and usual.type.precision <= _INT64_DIGITS
            return same if fits else None
        case "float4" if pa.types.is_float64(kind):
            return same
        case "timestamptz" if pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz:
            return same
        case _:
            return None


def _integer_as(usual: Reading, kind: DataType) -> Reading | None:
    if pa.types.is_uint64(usual.type):
        return None
    if pa.types.is_integer(kind):
        is_signed = pa.types.is_signed_integer(kind)
        needs = {"int2": 16, "int4": 32, "int8": 64, "oid": 33 if is_signed else 32}[usual.kind]
        fits = kind.bit_width >= needs and (is_signed or usual.kind == "oid")
        return msgspec.structs.replace(usual, type=kind) if fits else None
    if pa.types.is_float64(kind) and usual.kind != "int8":
        return msgspec.structs.replace(usual, type=kind)
    digits = _DIGITS.get(usual.kind)
    if digits and pa.types.is_decimal(kind) and kind.precision - kind.scale >= digits:
        return Reading(kind="numeric", type=kind, template="{}::pg_catalog.numeric")
    return None
