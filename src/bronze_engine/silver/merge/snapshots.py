"""Which keys a snapshot says something else of than the versions that the table has, as SQL.

The whole of a record is compared with the whole of a version. DuckDB does not hold a join over
hundreds of columns in a small memory, so some columns are compared at a time: a key has one version
a day at the most, so that a record that is equal in all of them is equal to that.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from bronze_engine.silver.columns.shape import BRONZE_DATE, CURRENT, DELETED, FROM, TO, Shape
from bronze_engine.silver.database.sql import identifier, literal, same
from bronze_engine.silver.fold.winners import NO_DELETE, by_columns, key_names, narrow, same_keys
from bronze_engine.silver.merge.facts import keys_of

__all__ = ["differing_keys", "otherwise_keys"]


def differing_keys(shape: Shape, records: str, rows: str, dates: Collection[date]) -> list[str]:
    """The keys of new snapshots that say something else than the table's current rows, and those
    of current rows that a new snapshot lacks: SELECTs, to be run one after another."""
    alive = f"({rows}) WHERE {identifier(CURRENT)}"
    said = f"(SELECT * FROM {records} WHERE {NO_DELETE})"
    found = _unlike(shape, said, f"(SELECT * FROM {alive})")
    others: list[str] = []
    if shape.sees_deletes:
        others.append(keys_of(shape, f"{records} WHERE NOT ({NO_DELETE})"))
    if shape.sees_deletes and dates:
        others.append(
            f"SELECT t.* FROM ({keys_of(shape, alive)}) t"
            f" ANTI JOIN ({_in_each(shape, records, len(dates))}) r"
            f" ON {same_keys(shape, 't', 'r')}"
        )
    return _with(found, others)


def _in_each(shape: Shape, records: str, dates: int) -> str:
    """The keys that each of so many snapshots has. A join for each of a month of them would be more
    than a small memory holds."""
    if dates == 1:
        return keys_of(shape, records)
    keys = ", ".join(key_names(shape))
    return (
        f"SELECT {keys} FROM (SELECT DISTINCT {keys}, landed FROM ({narrow(shape, records)}))"
        f" GROUP BY {keys} HAVING count(*) = {literal(dates)}"
    )


def otherwise_keys(
    shape: Shape,
    records: str,
    rows: str,
    departed: str | None,
    day: date,
    *,
    is_back: bool,
) -> list[str]:
    """The keys of a snapshot that says something else than the table's versions of its date:
    SELECTs, to be run one after another.

    Whatever other snapshots say, a key whose version of each new date is what they say has the
    history that it has. `is_back`: the table has another snapshot of the date.
    """
    landed, of_day = identifier(BRONZE_DATE), literal(day)
    here = f"(SELECT * FROM {records} WHERE {landed} = {of_day})"
    versions = (
        f"(SELECT * FROM ({rows}) WHERE NOT {identifier(DELETED)}"
        f" AND {identifier(FROM)} <= {of_day}"
        f" AND ({identifier(TO)} IS NULL OR {identifier(TO)} > {of_day}))"
    )
    alive = f"(SELECT * FROM {here} WHERE {NO_DELETE})"
    found = _unlike(shape, alive, versions)
    lacking = versions if shape.sees_deletes else f"{versions} WHERE {landed} = {of_day}"
    lacked = f"SELECT t.* FROM ({keys_of(shape, lacking)}) t"
    others = [f"{lacked} ANTI JOIN ({keys_of(shape, alive)}) r ON {same_keys(shape, 't', 'r')}"]
    if shape.sees_deletes:
        others.append(keys_of(shape, f"{here} WHERE NOT ({NO_DELETE})"))
    if shape.sees_deletes and is_back:
        ended = f"({rows}) WHERE {identifier(DELETED)} AND {landed} = {of_day}"
        others.append(keys_of(shape, ended))
        if departed is not None:
            others.append(keys_of(shape, f"({departed}) WHERE {landed} = {of_day}"))
    return _with(found, others)


def _unlike(shape: Shape, records: str, rows: str) -> list[str]:
    """The keys of records that are not equal to the row of their key, of which there is one at the
    most, or that have none: a SELECT for some columns at a time."""
    return [
        keys_of(
            shape,
            f"(SELECT r.* FROM {records} r ANTI JOIN {rows} t"
            f" ON {same((*shape.keys, *part), 'r', 't')})",
        )
        for part in by_columns(shape.values)
    ]


def _with(selects: list[str], others: list[str]) -> list[str]:
    """The first of them together with what costs little."""
    first = " UNION ".join(f"({each})" for each in (selects[0], *others))
    return [first, *selects[1:]]
