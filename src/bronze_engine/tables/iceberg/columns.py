"""Columns of an Iceberg table, from Arrow's.

    bool, int8 to int32, int64            boolean, int, long
    float32, float64                      float, double
    decimal128(p, s)                      decimal(p, s)
    string, binary, date32, time64[us]    string, binary, date, time
    timestamp[us, UTC], timestamp[us]     timestamptz, timestamp
    list, struct                          list, struct

What format version 2 has no type for (nanoseconds, decimals past 38 digits) is refused before it
is committed. A column widens as https://iceberg.apache.org/spec/#schema-evolution has it: int to
long, float to double, a decimal to more digits of the same scale.
"""

from __future__ import annotations

from itertools import count
from typing import Final

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.tables.content import DATE_COLUMN

__all__ = ["Path", "check", "evolve", "schema_of"]

Path = tuple[str, ...]
"""Names from the table to a field: what pyiceberg takes where a name may have a dot in it."""

_NAMED: Final[dict[DataType, IcebergType]] = {
    pa.bool_(): BooleanType(),
    pa.int8(): IntegerType(),
    pa.int16(): IntegerType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.string(): StringType(),
    pa.large_string(): StringType(),
    pa.binary(): BinaryType(),
    pa.large_binary(): BinaryType(),
    pa.date32(): DateType(),
    pa.time64("us"): TimeType(),
    pa.timestamp("us", "UTC"): TimestamptzType(),
    pa.timestamp("us"): TimestampType(),
}
_WIDENING: Final = ((IntegerType(), LongType()), (FloatType(), DoubleType()))
_MOST_DIGITS: Final = 38


def schema_of(columns: pa.Schema, *, is_dated: bool) -> Schema:
    """The schema of a new table. Raises QualityError (QUAL001) for a type that Iceberg has not."""
    ids = count(1)
    fields: list[NestedField] = []
    for column in columns:
        if is_dated and column.name.casefold() == DATE_COLUMN:
            raise QualityError(
                f"column {column.name!r} is called as the table's column of run dates; give it"
                " another name, or the pipeline no table_format",
                column=column.name,
            )
        fields.append(_field(ids, column.name, _type(column.type, (column.name,), ids)))
    if is_dated:
        fields.append(_field(ids, DATE_COLUMN, DateType()))
    return Schema(*fields)


def check(table: Schema, new: Schema) -> None:
    """Raise QualityError (QUAL001) where a table can't show files of `new` too."""
    _walk(None, table.as_struct(), new.as_struct(), ())


def evolve(update: UpdateSchema, table: Schema, new: Schema) -> None:
    """Add the columns of `new`, and widen those that it has wider. Raises as `check`."""
    _walk(update, table.as_struct(), new.as_struct(), ())


def _field(ids: count[int], name: str, kind: IcebergType) -> NestedField:
    # Never required: a later date may lack the column.
    return NestedField(next(ids), name, kind, required=False)


def _type(kind: DataType, path: Path, ids: count[int]) -> IcebergType:
    if kind in _NAMED:
        return _NAMED[kind]
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return DecimalType(kind.precision, kind.scale)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        element = _type(kind.value_type, (*path, "element"), ids)
        return ListType(next(ids), element, element_required=False)
    if pa.types.is_struct(kind):
        inner = [kind.field(at) for at in range(kind.num_fields)]
        fields = [
            _field(ids, each.name, _type(each.type, (*path, each.name), ids)) for each in inner
        ]
        return StructType(*fields)
    raise QualityError(
        f"column {_shown(path)} is {kind}, and Iceberg has no such type; give it another in"
        ' schema.columns ("string" holds every value), or the pipeline no table_format',
        column=path[0],
    )


def _walk(update: UpdateSchema | None, old: IcebergType, new: IcebergType, path: Path) -> None:
    match old, new:
        case StructType(), StructType():
            fields = {field.name: field for field in old.fields}
            for field in new.fields:
                here = (*path, field.name)
                if field.name in fields:
                    _walk(update, fields[field.name].field_type, field.field_type, here)
                elif update is not None:
                    update.add_column(here, field.field_type)
        case ListType(), ListType():
            _walk(update, old.element_type, new.element_type, (*path, "element"))
        case _ if _is_wider(new, old):
            if update is not None:
                update.update_column(path, field_type=new)
        case _ if old != new and not _is_wider(old, new):
            raise QualityError(
                f"column {_shown(path)} is {new}, and the table has it as {old}: no engine reads"
                " its files as one type; give it one in schema.columns and land the dates of the"
                " other again, or land into another table",
                column=path[0],
            )


def _is_wider(one: IcebergType, other: IcebergType) -> bool:
    match one, other:
        case DecimalType(), DecimalType():
            return one.scale == other.scale and one.precision > other.precision
    return (other, one) in _WIDENING


def _shown(path: Path) -> str:
    return repr(".".join(path))
