"""From records to rows: which record stands for a key, and what became of it. Pure text.

`records` is the name of a relation with the table's own columns (Shape.names) and `_is_delete`,
`_bronze_date`, `_bronze_part`, `_bronze_row`, which together with the keys and `order_by` decide
everything. What is decided are marks, which name the record that a row has its values of; with the
values they have `fold_columns`. Keys that are gone are marks as well, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from bronze_engine.silver.columns.shape import (
    BRONZE_DATE,
    CURRENT,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    FROM,
    TO,
    Shape,
)
from bronze_engine.silver.database.sql import identifier
from bronze_engine.silver.fold.current import CURRENT_MARK, current_marks
from bronze_engine.silver.fold.versions import VERSION_MARK, unlike_before, version_marks
from bronze_engine.silver.fold.winners import at, facts_of, fetched

__all__ = [
    "departed_of_marks",
    "departed_schema",
    "fold_columns",
    "marks_of",
    "moment_type",
    "rows_of_marks",
    "table_columns",
    "table_schema",
    "unlike_of",
]


def marks_of(
    shape: Shape, records: str, snapshots: Sequence[date] = (), *, unlike: str | None = None
) -> str:
    """All rows of all keys of `records`, deleted ones included, without their values.

    `snapshots` are the dates of the full loads among which keys can vanish; `unlike` has what the
    SELECTs of `unlike_of` find, where there are some.
    """
    if shape.history == "full":
        marks = version_marks(shape, records, snapshots, unlike=unlike)
    else:
        marks = current_marks(shape, snapshots)
    return f"WITH facts AS ({facts_of(shape, records, snapshots)}) SELECT * FROM ({marks})"


def unlike_of(shape: Shape, records: str, snapshots: Sequence[date] = ()) -> list[str]:
    """What is to be found out before `marks_of`, a SELECT at a time: see `unlike_before`."""
    if shape.history != "full":
        return []
    facts = facts_of(shape, records, snapshots)
    return [
        f"WITH facts AS ({facts}) SELECT * FROM ({each})"
        for each in unlike_before(shape, records, snapshots)
    ]


def rows_of_marks(shape: Shape, records: str, marks: str) -> str:
    """The rows of marks (a SELECT), with `fold_columns`: `records` has their values."""
    if shape.history == "full":
        return fetched(shape, records, marks, VERSION_MARK)
    return fetched(shape, records, marks, CURRENT_MARK)


def departed_of_marks(shape: Shape, marks: str) -> str:
    """The rows of marks (a relation) that no reader sees, with `departed_schema`."""
    keys = (f"k{number} AS {identifier(name)}" for number, name in enumerate(shape.keys))
    named = {DELETED_AT: "since", BRONZE_DATE: "told"}
    if shape.history == "full":
        named = {FROM: "moment", TO: "until", BRONZE_DATE: "shown"}
    since = (f"{short} AS {identifier(name)}" for name, short in named.items())
    return f"SELECT {', '.join([*keys, *since])} FROM {marks} WHERE gone"


def moment_type(shape: Shape) -> pa.DataType:
    """Of effective_from, effective_to and deleted_at."""
    first = at(shape)
    return pa.date32() if first is None else shape.columns.field(first).type


def fold_columns(shape: Shape) -> tuple[str, ...]:
    """The columns of `rows_of_marks`, in order, whatever deletes do."""
    if shape.history == "full":
        return (*shape.names, FROM, TO, CURRENT, DELETED, BRONZE_DATE)
    return (*shape.names, DELETED, DELETED_AT, DELETED_DATE, BRONZE_DATE)


def table_columns(shape: Shape) -> tuple[str, ...]:
    """The columns that readers see, in order."""
    says_so = shape.sees_deletes and shape.deletes == "tombstone"
    hidden = () if says_so else (DELETED, DELETED_AT, DELETED_DATE)
    ours = fold_columns(shape)[len(shape.names) :]
    return (*shape.names, *(name for name in ours if name not in hidden))


def table_schema(shape: Shape) -> pa.Schema:
    """Of the table, as readers see it."""
    moment = moment_type(shape)
    types = {
        FROM: moment,
        TO: moment,
        CURRENT: pa.bool_(),
        DELETED: pa.bool_(),
        DELETED_AT: moment,
        DELETED_DATE: pa.date32(),
        BRONZE_DATE: pa.date32(),
    }
    ours = table_columns(shape)[len(shape.names) :]
    return pa.schema([*shape.columns, *(pa.field(name, types[name]) for name in ours)])


def departed_schema(shape: Shape) -> pa.Schema:
    """Of the files below `_deleted/`: keys that are gone, since when, and the date that says so.

    Of a full history also until when: each end of a key is there, not only the last.
    """
    moment = moment_type(shape)
    since = (FROM, TO) if shape.history == "full" else (DELETED_AT,)
    return pa.schema(
        [
            *(shape.columns.field(name) for name in shape.keys),
            *(pa.field(name, moment) for name in since),
            pa.field(BRONZE_DATE, pa.date32()),
        ]
    )
