"""Arrow's types within DuckDB, and back out of it to the last bit.

    in a Bronze file                       in DuckDB                       why
    bool, int8 to int64, uint8 to uint64   the same
    float32, float64                       FLOAT, DOUBLE
    decimal, 1 to 38 digits                DECIMAL of the same digits
    decimal, 39 to 76 digits               VARCHAR                         it reads them as DOUBLE
    string                                 VARCHAR
    binary, fixed size binary              BLOB
    date32                                 DATE
    time32, time64[us], time64[ns]         TIME, TIME_NS
    timestamp[s, ms, us], [ns]             TIMESTAMP, TIMESTAMP_NS
    the same with a zone                   TIMESTAMPTZ, TIMESTAMPTZ_NS     instants; zones come back
    list                                   list of what its elements are
    struct                                 STRUCT of what its fields are   see below

A decimal past 38 digits is carried as text that sorts as the numbers do (`decimals`). Fields of a
struct that differ by case alone, or one without a name, have other names there: DuckDB's have one,
and differ by more. Files with either are written anew for it (`carried`), and its batches are
turned back (`restored`); all else DuckDB 2.0.1 reads and returns exactly (tests/unit/silver/
test_types.py).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType, Field
from bronze_engine.silver.database.decimals import (
    as_decimal,
    as_text,
    ordered_decimal,
    shifted_decimal,
)
from bronze_engine.silver.database.sql import identifier, literal

__all__ = [
    "carried",
    "carrier",
    "is_carried",
    "is_wide",
    "restored",
    "sql_type",
    "widened",
]

MOST_DIGITS: Final = 38
"""Of DuckDB's DECIMAL."""
_PLAIN: Final[dict[DataType, str]] = {
    pa.null(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.large_binary(): "BLOB",
    pa.date32(): "DATE",
    pa.time32("s"): "TIME",
    pa.time32("ms"): "TIME",
    pa.time64("us"): "TIME",
    pa.time64("ns"): "TIME_NS",
}


def sql_type(kind: DataType) -> str:
    """DuckDB's name of what a column of `kind` is there. Raises TypeError for what never lands."""
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain
    if pa.types.is_decimal(kind):
        return "VARCHAR" if is_wide(kind) else f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_fixed_size_binary(kind):
        return "BLOB"
    if pa.types.is_timestamp(kind):
        return ("TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ") + (
            "_NS" if kind.unit == "ns" else ""
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = zip(_field_names(kind), _fields(kind), strict=True)
        listed = (f"{identifier(name)} {sql_type(field.type)}" for name, field in fields)
        return f"STRUCT({', '.join(listed)})"
    raise TypeError(f"no column of type {kind} lands")


def is_wide(kind: DataType) -> bool:
    """Whether it is a decimal that DuckDB has no type for."""
    return bool(pa.types.is_decimal(kind)) and kind.precision > MOST_DIGITS


def is_carried(kind: DataType) -> bool:
    """Whether a file with such a column must be written anew for DuckDB."""
    return bool(carrier(kind) != kind)


def carrier(kind: DataType) -> DataType:
    """The Arrow type that a column of `kind` has in a file that DuckDB reads exactly."""
    if is_wide(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(carrier(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(carrier(kind.value_type)))
    if pa.types.is_struct(kind):
        fields = zip(_field_names(kind), _fields(kind), strict=True)
        return pa.struct(
            [field.with_name(name).with_type(carrier(field.type)) for name, field in fields]
        )
    return kind


def carried(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows as DuckDB is to read them."""
    schema = pa.schema([field.with_type(carrier(field.type)) for field in batch.schema])
    columns = [
        _converted(column, field.type) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def restored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns as `schema` has them, by place.

    Raises RuntimeError for types that lose something on the way: then the SQL is at fault; and
    QualityError (QUAL001) naming the column for a value that does.
    """
    if batch.num_columns != len(schema):
        raise RuntimeError(f"{batch.num_columns} columns came where {len(schema)} were asked for")
    columns = [
        _restored(column, field) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def widened(expression: str, have: DataType, want: DataType) -> str:
    """SQL of a value of type `have` as one of `want`, which holds all values of `have`."""
    if have == want:
        return expression
    if is_wide(want):
        if is_wide(have):
            return shifted_decimal(expression, want.scale - have.scale)
        scale = have.scale if pa.types.is_decimal(have) else 0
        return ordered_decimal(f"({expression})::VARCHAR", scale, want)
    if pa.types.is_list(have) and pa.types.is_list(want):
        element = widened(_ELEMENT, have.value_type, want.value_type)
        return f"list_transform({expression}, lambda {_ELEMENT}: {element})"
    if pa.types.is_struct(have) and pa.types.is_struct(want):
        return _widened_struct(expression, have, want)
    return f"CAST({expression} AS {sql_type(want)})"


def _widened_struct(expression: str, have: DataType, want: DataType) -> str:
    """Field by field, by the names that they have in Arrow; NULL for those that are new."""
    known = {
        field.name: (f"struct_extract({expression}, {literal(name)})", field.type)
        for name, field in zip(_field_names(have), _fields(have), strict=True)
    }
    parts: list[str] = []
    for name, field in zip(_field_names(want), _fields(want), strict=True):
        if field.name in known:
            part = widened(*known[field.name], field.type)
        else:
            part = f"CAST({literal(None)} AS {sql_type(field.type)})"
        parts.append(f"{identifier(name)} := {part}")
    packed = f"struct_pack({', '.join(parts)})"
    return f"CASE WHEN {expression} IS NOT NULL THEN {packed} END"


_ELEMENT: Final = "_element"


def _fields(kind: DataType) -> list[Field]:
    return [kind.field(place) for place in range(kind.num_fields)]


def _field_names(kind: DataType) -> list[str]:
    """The names of a struct's fields; others than theirs where two differ by case alone, or one is
    empty."""
    names = [field.name for field in _fields(kind)]
    if all(names) and len({name.casefold() for name in names}) == len(names):
        return names
    return [f"{place}_{name}" for place, name in enumerate(names)]


def _restored(array: Array, field: Field) -> Array:
    try:
        return _converted(array, field.type)
    except pa.ArrowInvalid as exc:
        raise QualityError(
            f"column {field.name!r}: a value of {array.type} is none of {field.type} ({exc}); "
            "nothing was published. Leave the column out with silver.columns.drop, or give it "
            "another type with silver.columns.cast",
            column=field.name,
        ) from exc


def _converted(array: Array, want: DataType) -> Array:
    have = array.type
    if have == want:
        return array
    if is_wide(have) and pa.types.is_string(want):
        return as_text(array)
    if pa.types.is_string(have) and is_wide(want):
        return as_decimal(array, want)
    if pa.types.is_list(have) and pa.types.is_list(want):
        validity, offsets = array.buffers()[:2]
        values = _converted(array.values, want.value_type)
        return pa.Array.from_buffers(
            want, len(array), [validity, offsets], array.null_count, array.offset, [values]
        )
    if pa.types.is_struct(have) and pa.types.is_struct(want) and have.num_fields == want.num_fields:
        fields = _fields(want)
        parts = [_converted(array.field(at), field.type) for at, field in enumerate(fields)]
        return pa.StructArray.from_arrays(parts, fields=fields, mask=array.is_null())
    if not _keeps(have, want):
        raise RuntimeError(f"a column came as {have} where {want} was asked for")
    return array.cast(want)


_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)
_KINDS: Final = (
    *((kind,) for kind in (pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)),
    (pa.types.is_integer, pa.types.is_decimal),
    (pa.types.is_floating,),
    _TEXTS,
    _BYTES,
    (pa.types.is_list, pa.types.is_large_list),
)


def _keeps(have: DataType, want: DataType) -> bool:
    """Whether Arrow's safe cast keeps the value or raises."""
    if pa.types.is_null(have):
        return True
    if pa.types.is_timestamp(have) and pa.types.is_timestamp(want):
        return (have.tz is None) == (want.tz is None)
    if pa.types.is_floating(have) and pa.types.is_floating(want):
        return bool(have.bit_width <= want.bit_width)
    return any(
        any(is_so(have) for is_so in family) and any(is_so(want) for is_so in family)
        for family in _KINDS
    )
