"""Tables made by hand: records in, rows out, by the SQL alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

import duckdb
import pyarrow as pa

from bronze_engine.model.manifest import Load
from bronze_engine.silver.columns.shape import DELETED, Shape
from bronze_engine.silver.database.sql import columns as listed
from bronze_engine.silver.database.sql import identifier
from bronze_engine.silver.fold.fold import marks_of, rows_of_marks, table_columns, table_schema
from bronze_engine.silver.merge.outputs import events

__all__ = ["DAY", "Record", "folded", "own", "record", "relation", "shape_of", "shown"]

Record = dict[str, Any]


def DAY(number: int) -> date:  # noqa: N802  # reads as a constant in tables
    """The `number`th of January."""
    return date(2025, 1, number)


def own(**types: pa.DataType) -> pa.Schema:
    """Columns by name."""
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def shape_of(
    *,
    kind: Literal["state", "event"] = "state",
    history: Literal["current", "full"] = "current",
    deletes: Literal["ignore", "tombstone", "hard"] = "ignore",
    load: Load = "incremental",
    keys: tuple[str, ...] = ("id",),
    order: tuple[str, ...] = ("at",),
    columns: pa.Schema | None = None,
) -> Shape:
    """A shape over id, at and v, where nothing else is said."""
    table = columns or own(id=pa.int64(), at=pa.int64(), v=pa.string())
    return Shape(
        kind=kind,
        history=history,
        deletes=deletes,
        load=load,
        columns=table,
        keys=keys,
        order=order,
    )


def record(
    day: int, *values: Any, part: int = 0, row: int = 0, is_delete: bool = False
) -> tuple[Any, ...]:
    """Values of the table's own columns, and where they landed."""
    return (*values, is_delete, DAY(day), part, row)


def relation(shape: Shape, records: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Records as a relation. Rows of one file that give no row number are numbered in order."""
    place = own(
        _is_delete=pa.bool_(),
        _bronze_date=pa.date32(),
        _bronze_part=pa.int32(),
        _bronze_row=pa.int64(),
    )
    schema = pa.schema([*shape.columns, *place])
    numbered = [
        (*values, number if row == 0 else row) for number, (*values, row) in enumerate(records)
    ]
    rows = [dict(zip(schema.names, values, strict=True)) for values in numbered]
    return pa.Table.from_pylist(rows, schema=schema)


def folded(
    shape: Shape, records: Iterable[tuple[Any, ...]], snapshots: Sequence[date] = ()
) -> list[tuple[Any, ...]]:
    """All rows that the fold makes, deleted ones too, sorted."""
    return _rows(shape, records, _fold(shape, snapshots))


def shown(
    shape: Shape, records: Iterable[tuple[Any, ...]], snapshots: Sequence[date] = ()
) -> list[tuple[Any, ...]]:
    """The rows that readers see, sorted, as exactly the table's schema has them."""
    if not shape.keys:
        return _rows(shape, records, events(shape, "records").sql, table_schema(shape))
    hides = shape.sees_deletes and shape.deletes == "hard"
    where = f" WHERE NOT {identifier(DELETED)}" if hides else ""
    names = listed(table_columns(shape))
    sql = f"SELECT {names} FROM ({_fold(shape, snapshots)}){where}"
    return _rows(shape, records, sql, table_schema(shape))


def _fold(shape: Shape, snapshots: Sequence[date]) -> str:
    return rows_of_marks(shape, "records", marks_of(shape, "records", snapshots))


def _rows(
    shape: Shape, records: Iterable[tuple[Any, ...]], sql: str, schema: pa.Schema | None = None
) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.register("records", relation(shape, records))
        found = connection.sql(sql).to_arrow_table()
    if schema is not None:
        found = found.cast(schema)
    rows = [tuple(row.values()) for row in found.to_pylist()]
    return sorted(rows, key=repr)
