"""One set of columns for all dates of a table, and what of it may change from run to run."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

import pyarrow as pa

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType, schema_from_text
from bronze_engine.model.layout import Column
from bronze_engine.model.manifest import Manifest, SchemaChange
from bronze_engine.model.types.widening import wider

__all__ = ["changes", "check_frozen", "schema_of", "united", "widest"]


def schema_of(manifest: Manifest) -> pa.Schema:
    """The columns of a partition or table; none of one that has never had a row."""
    return schema_from_text(manifest.arrow_schema) if manifest.arrow_schema else pa.schema([])


def united(
    schemas: Iterable[pa.Schema],
    *,
    is_left_out: Callable[[str], bool],
    cast: Container[str],
) -> dict[str, Column]:
    """The columns of all, in the order of their first appearance, each of a type that holds the
    values of all. Raises QualityError (QUAL001) where there is none.

    Of columns that are left out the first one stands, and of those that are `cast` from what they
    are on each date where no type holds them.
    """
    found: dict[str, Column] = {}
    for schema in schemas:
        for column in map(Column.parse, schema):
            known = found.setdefault(column.name, column)
            if known is not column and not is_left_out(column.name):
                found[column.name] = _both(known, column, is_cast=column.name in cast)
    return found


def _both(one: Column, other: Column, *, is_cast: bool) -> Column:
    if one.unit != other.unit:
        raise _apart(one, other, "land the dates again")
    kind = widest(one.type, other.type)
    if kind is None and not is_cast:
        has_casts = not any(map(_is_whole, (one.type, other.type)))
        mend = "give it one in silver.columns.cast" if has_casts else "land the dates again as one"
        raise _apart(one, other, mend)
    if kind is None:
        return one
    if kind == other.type and kind != one.type:
        return other
    if kind == one.type:
        return one
    return Column(name=one.name, type=kind, key=one.key, source_type=None)


def _apart(one: Column, other: Column, mend: str) -> QualityError:
    was, is_now = (_told(each) for each in (one, other))
    return QualityError(
        f"column {one.name!r} is {was} on some dates and {is_now} on others, and no type holds"
        f" both; nothing was published; {mend}, or leave it out with silver.columns.drop",
        column=one.name,
    )


def _is_whole(kind: DataType) -> bool:
    """Whether no cast takes its values."""
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind))


def _told(column: Column) -> str:
    return str(column.type) if column.unit is None else f"a duration in {column.unit}"


def widest(one: DataType, other: DataType) -> DataType | None:
    """The least type that holds all values of both; text, where numbers, truths or days have no
    other; None where there is none.

    A local time and an instant have nothing in common, and neither have parts and a whole: a text
    would hide which of the two it was.
    """
    if one == other:
        return one
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _widest_struct(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        element = _within(one.value_type, other.value_type)
        return None if element is None else pa.list_(element)
    pair = one, other
    if any(map(pa.types.is_nested, pair)) or any(map(pa.types.is_binary, pair)):
        return None
    if any(map(pa.types.is_timestamp, pair)) and not any(map(pa.types.is_string, pair)):
        return _widest_instant(one, other)
    if all(map(pa.types.is_time, pair)):
        return pa.time64("ns")
    found = wider(one, other)
    if pa.types.is_decimal(found) and found.precision > 38 and not _is_long(one, other):
        return pa.string()  # rather than a type that DuckDB has not
    return found


def _is_long(*kinds: DataType) -> bool:
    return any(pa.types.is_decimal(kind) and kind.precision > 38 for kind in kinds)


def _widest_instant(one: DataType, other: DataType) -> DataType | None:
    """Of the finer unit. Nanoseconds end in 2262: what lies past that is rejected."""
    if not (pa.types.is_timestamp(one) and pa.types.is_timestamp(other)):
        return None
    if (one.tz is None) != (other.tz is None):
        return None
    units = ("s", "ms", "us", "ns")
    unit = max(one.unit, other.unit, key=units.index)
    return pa.timestamp(unit, one.tz)


def _widest_struct(one: DataType, other: DataType) -> DataType | None:
    fields = {field.name: field.type for field in one}
    for field in other:
        known = fields.get(field.name)
        kind = field.type if known is None else _within(known, field.type)
        if kind is None:
            return None
        fields[field.name] = kind
    return pa.struct(list(fields.items()))


def _within(one: DataType, other: DataType) -> DataType | None:
    """Within structs and lists nothing becomes text, and no value is looked at."""
    kind = widest(one, other)
    if kind is None or kind == one == other or pa.types.is_nested(kind):
        return kind
    pair = one, other
    if all(map(pa.types.is_signed_integer, pair)):
        return kind
    if pa.types.is_float64(kind) and all(
        pa.types.is_floating(each) or (pa.types.is_integer(each) and each.bit_width <= 32)
        for each in pair
    ):
        return kind
    return None


def changes(base: Manifest | None, columns: pa.Schema) -> tuple[SchemaChange, ...]:
    """How the table's columns (all of them, ours too) differ from those that it had."""
    if base is None or not base.arrow_schema:
        return ()
    before = {field.name: field.type for field in schema_of(base)}
    found: list[SchemaChange] = []
    for field in columns:
        old = before.get(field.name)
        if old is None:
            found.append(SchemaChange(change="added", column=field.name, detail=str(field.type)))
        elif old != field.type:
            detail = f"{old} -> {field.type}"
            found.append(SchemaChange(change="widened", column=field.name, detail=detail))
    now = set(columns.names)
    found += [
        SchemaChange(change="removed", column=name, detail=str(kind))
        for name, kind in before.items()
        if name not in now
    ]
    return tuple(found)


def check_frozen(columns: pa.Schema, base: Manifest) -> None:
    """Raise QualityError (QUAL001) where the record's columns are more, or of other types, than the
    table `base` has."""
    before = {field.name: field.type for field in schema_of(base)}
    if not before:
        return
    for field in columns:
        old = before.get(field.name)
        if old == field.type:
            continue
        what = "is new" if old is None else f"is {field.type}, and the table has {old}"
        out = "drop it in silver.columns" if old is None else "cast it in silver.columns"
        raise QualityError(
            f'column {field.name!r} {what}, and silver.contract = "freeze" takes no such change;'
            f' nothing was published; {out}, or set silver.contract to "evolve" for one run',
            column=field.name,
        )
