"""Columns of a Delta table, from Arrow's.

    bool, int8 to int64                   boolean, byte, short, integer, long
    float32, float64                      float, double
    decimal128(p, s)                      decimal(p,s)
    string, binary, date32                string, binary, date
    timestamp[us, UTC], timestamp[us]     timestamp, timestamp_ntz
    list, struct                          array, struct

What Delta has no type for (nanoseconds, times of day, decimals past 38 digits) is refused before
it is committed: a table without the column would be another table. Types and features:
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType, Field

__all__ = ["Columns", "merged"]

Struct = dict[str, Any]
"""A field or a type as the log writes it (schemaString)."""

_NAMED: Final[dict[Any, str]] = {
    pa.bool_(): "boolean",
    pa.int8(): "byte",
    pa.int16(): "short",
    pa.int32(): "integer",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.large_string(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp",
    pa.timestamp("us"): "timestamp_ntz",
}
_WIDENING: Final = (("byte", "short", "integer", "long"), ("float", "double"))
"""Of each, whoever reads the later reads files of the earlier."""
_DECIMAL: Final = re.compile(r"decimal\((\d+),(\d+)\)")
_MOST_DIGITS: Final = 38
_ODD: Final = frozenset(" ,;{}()\n\t=")
"""Characters that names may have only with column mapping."""
_ID: Final = "delta.columnMapping.id"
_PHYSICAL: Final = "delta.columnMapping.physicalName"


class Columns(msgspec.Struct, frozen=True):
    """The schema of a table, and what of the protocol it needs."""

    fields: tuple[Struct, ...] = ()
    is_mapped: bool = False
    """By names (delta.columnMapping.mode = "name")."""

    @property
    def has_local_times(self) -> bool:
        return any(each["type"] == "timestamp_ntz" for each in _nested(self.fields))

    @property
    def most_id(self) -> int:
        return max((each["metadata"].get(_ID, 0) for each in _nested(self.fields)), default=0)

    @property
    def text(self) -> str:
        """The schemaString."""
        return msgspec.json.encode({"type": "struct", "fields": self.fields}).decode()


def merged(before: Columns, schema: pa.Schema, *, date_column: str | None) -> Columns:
    """The columns of a table that has `before`, and shows files of `schema` too.

    Raises QualityError (QUAL001) for a type that Delta has not, for one that readers of the files
    before would not read as the other, and for names that Delta takes for the same.
    """
    fields = {field["name"].casefold(): field for field in before.fields}
    own = None if date_column is None else fields.pop(date_column.casefold(), None)
    for column in schema:
        name = column.name.casefold()
        if date_column is not None and name == date_column.casefold():
            raise QualityError(
                f"column {column.name!r} is called as the table's column of run dates; give it"
                " another name, or the pipeline no table_format",
                column=column.name,
            )
        fields[name] = _beside(fields.get(name), column, column.name)
    if date_column is not None:
        fields[date_column] = own or _field(date_column, "date")
    found = tuple(fields.values())
    if not before.is_mapped and not any(_ODD & set(each["name"]) for each in _nested(found)):
        return Columns(found)
    return _mapped(found, before.most_id)


def _beside(old: Struct | None, column: Field, path: str) -> Struct:
    if old is None:
        return _field(column.name, _type(column.type, path))
    if old["name"] != column.name:
        raise QualityError(
            f"column {path!r} differs from the table's {old['name']!r} by case alone, and Delta"
            " takes them for one; rename it",
            column=path,
        )
    return {**old, "type": _wider(old["type"], _type(column.type, path), path)}


def _type(kind: DataType, path: str) -> Any:
    if kind in _NAMED:
        return _NAMED[kind]
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        element = _type(kind.value_type, f"{path}[]")
        return {"type": "array", "elementType": element, "containsNull": True}
    if pa.types.is_struct(kind):
        inner = [kind.field(at) for at in range(kind.num_fields)]
        fields = [_field(each.name, _type(each.type, f"{path}.{each.name}")) for each in inner]
        return {"type": "struct", "fields": fields}
    raise QualityError(
        f"column {path!r} is {kind}, and Delta has no such type; give it another in"
        f' schema.columns ("string" holds every value), or the pipeline no table_format',
        column=path,
    )


def _wider(old: Any, new: Any, path: str) -> Any:
    """The type that has the values of both."""
    if old == new:
        return old
    for order in _WIDENING:
        if old in order and new in order:
            return max(old, new, key=order.index)
    match old, new:
        case {"type": "array"}, {"type": "array"}:
            element = _wider(old["elementType"], new["elementType"], f"{path}[]")
            return {**old, "elementType": element}
        case {"type": "struct"}, {"type": "struct"}:
            fields = {each["name"]: each for each in old["fields"]}
            for each in new["fields"]:
                inner = fields.get(each["name"], each)
                kind = _wider(inner["type"], each["type"], f"{path}.{each['name']}")
                fields[each["name"]] = {**inner, "type": kind}
            return {**old, "fields": list(fields.values())}
        case str(), str():
            decimals = [_DECIMAL.fullmatch(each) for each in (old, new)]
            if all(decimals) and len({each[2] for each in decimals if each}) == 1:
                return max(old, new, key=lambda text: int(text[8 : text.index(",")]))
    raise QualityError(
        f"column {path!r} is {_spoken(new)}, and the table has it as {_spoken(old)}: engines that"
        " read its files as one type could not; give it one in schema.columns and land the dates"
        " of the other again, or land into another entity",
        column=path,
    )


def _spoken(kind: Any) -> str:
    return kind if isinstance(kind, str) else str(kind["type"])


def _field(name: str, kind: Any) -> Struct:
    # Never NOT NULL: a later date may lack the column.
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def _nested(fields: Any) -> Iterator[Struct]:
    """All fields, those within others too."""
    for field in fields:
        yield field
        kind = field["type"]
        while isinstance(kind, dict) and kind["type"] == "array":
            kind = kind["elementType"]
        if isinstance(kind, dict):
            yield from _nested(kind["fields"])


def _mapped(fields: tuple[Struct, ...], most: int) -> Columns:
    """With an id for every field that has none yet, and its name as that in the files."""

    def mapped(field: Struct) -> Struct:
        nonlocal most
        metadata = field["metadata"]
        if _ID not in metadata:
            most += 1
            metadata = {**metadata, _ID: most, _PHYSICAL: field["name"]}
        return {**field, "metadata": metadata, "type": within(field["type"])}

    def within(kind: Any) -> Any:
        if isinstance(kind, str):
            return kind
        if kind["type"] == "array":
            return {**kind, "elementType": within(kind["elementType"])}
        return {**kind, "fields": [mapped(each) for each in kind["fields"]]}

    return Columns(tuple(mapped(field) for field in fields), is_mapped=True)
