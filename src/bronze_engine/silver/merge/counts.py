"""What a merge did to the keys of a table: how many came, have other values, and are gone."""

from __future__ import annotations

from bronze_engine.model.changes import ChangeCounts
from bronze_engine.silver.columns.shape import CURRENT, DELETED, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import identifier
from bronze_engine.silver.fold.winners import key_names, same_keys
from bronze_engine.silver.merge.facts import keys_of

__all__ = ["count_changes", "living_marks", "living_rows"]


async def count_changes(
    database: Database, shape: Shape, before: list[str], after: list[str]
) -> ChangeCounts:
    """By SELECTs of the keys (k0, k1, …) that lived before and that live now, of those alone that
    the merge has touched."""
    then, now = (_distinct(shape, selects) for selects in (before, after))
    ((lived, live, both),) = await database.execute(
        f"WITH was AS MATERIALIZED ({then}), lives AS MATERIALIZED ({now}) SELECT"
        " (SELECT count(*) FROM was), (SELECT count(*) FROM lives),"
        f" (SELECT count(*) FROM lives a SEMI JOIN was b ON {same_keys(shape, 'a', 'b')})"
    )
    return ChangeCounts(inserts=live - both, updates=both, deletes=lived - both)


def living_marks(shape: Shape, marks: str) -> str:
    """The keys that a relation of marks leaves alive."""
    where = "is_open" if shape.history == "full" else "NOT gone"
    return f"SELECT {', '.join(key_names(shape))} FROM {marks} WHERE {where}"


def living_rows(shape: Shape, rows: str) -> str:
    """The keys of the rows of the table (a relation) that live."""
    where = identifier(CURRENT) if shape.history == "full" else f"NOT {identifier(DELETED)}"
    return keys_of(shape, f"{rows} WHERE {where}")


def _distinct(shape: Shape, selects: list[str]) -> str:
    """Each key once: of a current table it is, for there each has one row and one mark."""
    once = "DISTINCT " if shape.history == "full" else ""
    return f"SELECT {once}{', '.join(key_names(shape))} FROM ({' UNION ALL '.join(selects)})"
