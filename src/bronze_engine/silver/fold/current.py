"""One row a key: the record with the greatest position, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.silver.columns.shape import (
    BRONZE_DATE,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    Shape,
)
from bronze_engine.silver.database.sql import literal
from bronze_engine.silver.fold.winners import (
    calendar,
    key_names,
    newest,
    same_keys,
)

__all__ = ["CURRENT_MARK", "current_marks", "marks_of_living"]

CURRENT_MARK: Final = (
    (DELETED, "gone"),
    (DELETED_AT, "since"),
    (DELETED_DATE, "told"),
    (BRONZE_DATE, "shown"),
)
"""The table's columns that a mark fills in."""


def current_marks(shape: Shape, snapshots: Sequence[date] = ()) -> str:
    """Of the relation `facts`: which record's values each key has, and whether it is gone (since,
    and by the date that told so). Narrow.

    The newest record of each key; of a deleted one the newest values that it had. Under "hard" a
    deleted key has the values of the delete: they are of no account. Of snapshots it is no mark at
    all: what the newest lacks is gone, and none before it can bring it back.
    """
    if shape.sees_deletes and shape.deletes == "tombstone":
        marks = _with_last_values(shape, snapshots)
    elif shape.sees_deletes and shape.is_snapshot:
        marks = f"SELECT {_mark(shape)} FROM newest WHERE NOT dead"
    elif shape.sees_deletes:
        marks = (
            f"SELECT {_mark(shape)} FROM newest WHERE NOT dead UNION ALL"
            f" SELECT {_ended(shape, 'landed')} FROM"
            " (SELECT *, moment AS since, landed AS told FROM newest WHERE dead)"
        )
    else:
        marks = marks_of_living(shape, "newest")
    return f"WITH newest AS MATERIALIZED ({newest(shape, 'facts')}) {marks}"


def marks_of_living(shape: Shape, newest: str) -> str:
    """The marks of keys that live, of a relation of each one's newest record."""
    return f"SELECT {_mark(shape)} FROM {newest}"


def _mark(shape: Shape) -> str:
    return (
        f"{', '.join(key_names(shape))}, landed, part, nth, landed AS shown, FALSE AS gone,"
        " CASE WHEN FALSE THEN moment END AS since, CAST(NULL AS DATE) AS told"
    )


def _ended(shape: Shape, shown: str) -> str:
    keys = ", ".join(key_names(shape))
    return f"{keys}, landed, part, nth, {shown} AS shown, TRUE AS gone, since, told"


def _with_last_values(shape: Shape, snapshots: Sequence[date]) -> str:
    """Marks where deleted keys show what they were. Only these are sorted a second time."""
    alive, ended = "NOT dead", "SELECT *, moment AS since, landed AS told FROM newest WHERE dead"
    if snapshots and shape.is_snapshot:
        alive = f"NOT dead AND landed >= {literal(max(snapshots))}"
        ended += (
            " UNION ALL SELECT newest.*, days.day AS since, days.day AS told FROM newest"
            f" ASOF JOIN {calendar(snapshots)} ON newest.landed < days.day WHERE NOT newest.dead"
        )
    return (
        f"SELECT {_mark(shape)} FROM newest WHERE {alive} UNION ALL SELECT * FROM ("
        f"WITH ended AS MATERIALIZED ({ended}),"
        " lives AS (SELECT facts.*, ended.since, ended.told FROM facts"
        f" JOIN ended ON {same_keys(shape, 'facts', 'ended')} WHERE NOT facts.dead),"
        f" latest AS MATERIALIZED ({newest(shape, 'lives')})"
        f" SELECT {_ended(shape, 'landed')} FROM latest UNION ALL"
        f" SELECT {_ended(shape, 'told')}"
        f" FROM ended ANTI JOIN latest ON {same_keys(shape, 'ended', 'latest')})"
    )
