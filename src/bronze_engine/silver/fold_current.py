"""One row a key: the record with the greatest position, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.silver.shape import (
    BRONZE_DATE,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    Shape,
)
from bronze_engine.silver.sql import columns, identifier, literal
from bronze_engine.silver.winners import (
    NO_DELETE,
    at,
    calendar,
    fetched,
    narrow,
    newest,
    same_keys,
)

__all__ = ["current"]

# What a mark says of a record: which one it is, and of its key whether it is gone (since, told).
_MARK: Final = (
    "landed, part, nth, landed AS shown, FALSE AS gone,"
    " CASE WHEN FALSE THEN moment END AS since, CAST(NULL AS DATE) AS told"
)


def current(shape: Shape, records: str, snapshots: Sequence[date] = ()) -> str:
    """The newest record of each key; of a deleted one the newest values that it had.

    Under "hard" a deleted key has the values of the delete: they are of no account. Of snapshots
    it has no row at all: what the newest lacks is gone, and none before it can bring it back.
    """
    if not shape.keys:
        return _every(shape, records)
    where = "TRUE" if shape.sees_deletes else NO_DELETE
    living = f"SELECT {_MARK} FROM newest"
    if shape.sees_deletes and shape.deletes == "tombstone":
        marks = _with_last_values(shape, snapshots)
    elif shape.sees_deletes and shape.is_snapshot:
        where = f"{identifier(BRONZE_DATE)} = {literal(max(snapshots, default=None))}"
        marks = f"{living} WHERE NOT dead"
    elif shape.sees_deletes:
        ended = "landed, part, nth, landed AS shown, TRUE AS gone, moment AS since, landed AS told"
        marks = f"{living} WHERE NOT dead UNION ALL SELECT {ended} FROM newest WHERE dead"
    else:
        marks = living
    ours = (
        (DELETED, "gone"),
        (DELETED_AT, "since"),
        (DELETED_DATE, "told"),
        (BRONZE_DATE, "shown"),
    )
    return (
        f"WITH facts AS ({narrow(shape, records, where)}),"
        f" newest AS MATERIALIZED ({newest(shape, 'facts')})"
        f" {fetched(shape, records, marks, ours)}"
    )


def _every(shape: Shape, records: str) -> str:
    """Events without keys: each record is a row."""
    moment = identifier(at(shape) or BRONZE_DATE)
    return (
        f"SELECT {columns(shape.names)}, FALSE AS {identifier(DELETED)},"
        f" CASE WHEN FALSE THEN {moment} END AS {identifier(DELETED_AT)},"
        f" CAST(NULL AS DATE) AS {identifier(DELETED_DATE)}, {identifier(BRONZE_DATE)}"
        f" FROM {records} WHERE {NO_DELETE}"
    )


def _with_last_values(shape: Shape, snapshots: Sequence[date]) -> str:
    """Marks where deleted keys show what they were. Only these are sorted a second time."""
    alive, ended = "NOT dead", "SELECT *, moment AS since, landed AS told FROM newest WHERE dead"
    if snapshots and shape.is_snapshot:
        last = literal(max(snapshots))
        alive = f"NOT dead AND landed >= {last}"
        ended = (
            f"{ended} AND landed >= {last} UNION ALL"
            f" SELECT newest.*, days.day AS since, days.day AS told FROM newest"
            f" ASOF JOIN {calendar(snapshots)} ON newest.landed < days.day"
        )
    return (
        f"WITH ended AS MATERIALIZED ({ended}),"
        " lives AS MATERIALIZED (SELECT facts.*, ended.since, ended.told FROM facts"
        f" JOIN ended ON {same_keys(shape, 'facts', 'ended')} WHERE NOT facts.dead),"
        f" latest AS MATERIALIZED ({newest(shape, 'lives')})"
        f" SELECT {_MARK} FROM newest WHERE {alive} UNION ALL"
        " SELECT landed, part, nth, landed AS shown, TRUE AS gone, since, told FROM latest"
        " UNION ALL SELECT landed, part, nth, told AS shown, TRUE AS gone, since, told"
        f" FROM ended ANTI JOIN latest ON {same_keys(shape, 'ended', 'latest')}"
    )
