"""The order of records, and the newest of each key: over keys and order columns alone.

The relations of this module are narrow: the columns `k0`, `k1`, … (keys), `moment` (what
decides first), `o0`, … (the rest of the order), `dead` (whether the record is a delete) and
`landed`, `part`, `nth` (which record it is). A sort of them is a fraction of a sort of whole rows;
the rows are fetched afterwards, by which record they are. No name of a table's own column is in
them, so none can collide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from bronze_engine.silver.columns.shape import BRONZE_DATE, IS_DELETE, PART, ROW, Shape
from bronze_engine.silver.database.sql import columns, identifier, literal

__all__ = [
    "COLUMNS_AT_ONCE",
    "NO_DELETE",
    "at",
    "by_columns",
    "calendar",
    "descending",
    "facts_of",
    "fetched",
    "key_names",
    "narrow",
    "newer",
    "newest",
    "rest",
    "same_keys",
    "same_record",
]

COLUMNS_AT_ONCE: Final = 64
"""Compared in one statement. DuckDB 2.0.1 can't join or window 50,000 rows by 300 columns within
256 MiB, however much it may spill; by 64 of them it can."""
NO_DELETE: Final = f"NOT {identifier(IS_DELETE)}"


def at(shape: Shape) -> str | None:
    """The column that decides first, and dates versions; None where that is the run date."""
    return shape.order[0] if shape.order and not shape.is_snapshot else None


def rest(shape: Shape) -> tuple[str, ...]:
    """The columns that decide between records of one moment."""
    return shape.order if at(shape) is None else shape.order[1:]


def by_columns(names: Sequence[str]) -> list[Sequence[str]]:
    """Names, as many together as are compared at once; one list at the least."""
    starts = range(0, max(1, len(names)), COLUMNS_AT_ONCE)
    return [names[start : start + COLUMNS_AT_ONCE] for start in starts]


def key_names(shape: Shape) -> tuple[str, ...]:
    """What a narrow relation calls the keys."""
    return tuple(f"k{number}" for number in range(len(shape.keys)))


def narrow(shape: Shape, records: str, where: str = "TRUE") -> str:
    """The records without their values."""
    first = at(shape)
    named = [
        *((identifier(name), f"k{number}") for number, name in enumerate(shape.keys)),
        (identifier(BRONZE_DATE if first is None else first), "moment"),
        *((identifier(name), f"o{number}") for number, name in enumerate(rest(shape))),
        (identifier(IS_DELETE), "dead"),
        (identifier(BRONZE_DATE), "landed"),
        (identifier(PART), "part"),
        (identifier(ROW), "nth"),
    ]
    listed = ", ".join(f"{name} AS {short}" for name, short in named)
    return f"SELECT {listed} FROM {records} WHERE {where}"


def facts_of(shape: Shape, records: str, snapshots: Sequence[date] = ()) -> str:
    """The records, narrow, of those that can count: without deletes where these do nothing."""
    if not shape.sees_deletes:
        return narrow(shape, records, NO_DELETE)
    if shape.is_snapshot and shape.history == "current" and shape.deletes == "hard" and snapshots:
        # What earlier snapshots held is of no account: the newest is the table.
        return narrow(shape, records, f"{identifier(BRONZE_DATE)} = {literal(max(snapshots))}")
    return narrow(shape, records)


def descending(shape: Shape) -> str:
    """Newest first: NULL is the oldest; DuckDB has NaN as the newest, and text by its bytes."""
    return ", ".join(f"{name} DESC NULLS LAST" for name in _position(shape))


def _position(shape: Shape) -> tuple[str, ...]:
    order = (f"o{number}" for number in range(len(rest(shape))))
    return ("moment", *order, "landed", "part", "nth")


def newer(shape: Shape, left: str, right: str) -> str:
    """A condition between records of two narrow relations: one comes before the other in
    `descending`."""
    ways: list[str] = []
    equal: list[str] = []
    for name in _position(shape):
        one, other = f"{left}.{name}", f"{right}.{name}"
        greater = f"(({one} > {other}) IS TRUE OR ({other} IS NULL AND {one} IS NOT NULL))"
        ways.append(" AND ".join([*equal, greater]))
        equal.append(f"{one} IS NOT DISTINCT FROM {other}")
    return f"({' OR '.join(ways)})"


def newest(shape: Shape, relation: str) -> str:
    """Of each key of a narrow relation the record with the greatest position."""
    return (
        f"SELECT * FROM {relation} QUALIFY row_number() OVER (PARTITION BY"
        f" {', '.join(key_names(shape))} ORDER BY {descending(shape)}) = 1"
    )


def same_keys(shape: Shape, left: str, right: str) -> str:
    """A condition between two narrow relations; NULL is the same as NULL."""
    return " AND ".join(
        f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in key_names(shape)
    )


def same_record(wide: str, short: str) -> str:
    """A condition between records and a narrow relation: they are of the same record."""
    named = ((BRONZE_DATE, "landed"), (PART, "part"), (ROW, "nth"))
    return " AND ".join(f"{wide}.{identifier(name)} = {short}.{other}" for name, other in named)


def fetched(shape: Shape, records: str, marks: str, ours: Iterable[tuple[str, str]]) -> str:
    """The values of the records that `marks` (a SELECT of narrow columns) names, and beside them
    columns of the mark: pairs of the table's name and the mark's."""
    told = ", ".join(f"m.{short} AS {identifier(name)}" for name, short in ours)
    return (
        f"SELECT {columns(shape.names, 'r')}, {told} FROM {records} r JOIN ({marks}) m"
        f" ON {same_record('r', 'm')}"
    )


def calendar(snapshots: Iterable[date]) -> str:
    """A relation `days` of dates (`day`), of which there is at least one."""
    listed = ", ".join(f"({literal(day)})" for day in sorted(snapshots))
    return f"(VALUES {listed}) AS days(day)"
