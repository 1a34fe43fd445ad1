"""One row a version of a key, each until the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.silver.columns.shape import BRONZE_DATE, CURRENT, DELETED, FROM, TO, Shape
from bronze_engine.silver.database.sql import columns
from bronze_engine.silver.fold.winners import (
    at,
    by_columns,
    calendar,
    descending,
    key_names,
    same_record,
)

__all__ = ["VERSION_MARK", "unlike_before", "version_marks"]

VERSION_MARK: Final = (
    (FROM, "moment"),
    (TO, "until"),
    (CURRENT, "is_open"),
    (DELETED, "gone"),
    (BRONZE_DATE, "shown"),
)
"""The table's columns that a mark fills in."""

_IS_NEWS: Final = "after_dead IS NULL OR dead <> after_dead OR NOT (dead OR repeats)"

# An end shows the values of the version that it ends; one that ends nothing, its own.
_BORROWS: Final = "dead AND landed_before IS NOT NULL"
_MARK: Final = (
    f"CASE WHEN {_BORROWS} THEN landed_before ELSE landed END AS landed,"
    f" CASE WHEN {_BORROWS} THEN part_before ELSE part END AS part,"
    f" CASE WHEN {_BORROWS} THEN nth_before ELSE nth END AS nth,"
    " moment, until, is_last AND NOT dead AS is_open, dead AS gone, landed AS shown"
)


def version_marks(
    shape: Shape, records: str, snapshots: Sequence[date] = (), *, unlike: str | None = None
) -> str:
    """Of the relation `facts`: each version and each end of a key, and which record's values it
    has. Narrow. `records` has the values of all of them, for comparing.

    Of the records of a moment the newest counts; one that says what the one before it said is none
    of its own. An end has the values that it ends. `unlike` is a relation of the records that say
    something else, where these were found out before: see `unlike_before`.
    """
    keys = ", ".join(key_names(shape))
    through = f"PARTITION BY {keys} ORDER BY moment ASC NULLS FIRST"
    linked = (
        "*, lead(moment) OVER w AS until, lead(landed) OVER w IS NULL AS is_last,"
        " lag(landed) OVER w AS landed_before, lag(part) OVER w AS part_before,"
        " lag(nth) OVER w AS nth_before"
    )
    steps = (
        *_in_sequence(shape, snapshots),
        f"compared AS ({_compared(shape, records, unlike)})",
        f"kept AS (SELECT * FROM compared WHERE {_IS_NEWS})",
        f"linked AS (SELECT {linked} FROM kept WINDOW w AS ({through}))",
    )
    return f"WITH {', '.join(steps)} SELECT {keys}, {_MARK} FROM linked"


def unlike_before(shape: Shape, records: str, snapshots: Sequence[date] = ()) -> list[str]:
    """Of the relation `facts`: the records (`landed`, `part`, `nth`) that say something else than
    the one before, as SELECTs to be run one after another, each of some columns. None where
    `version_marks` compares all of them at once."""
    parts = by_columns(shape.names)
    if at(shape) is not None or len(parts) == 1:
        return []
    keys = ", ".join(f"s.{name}" for name in key_names(shape))
    window = f"WINDOW w AS (PARTITION BY {keys} ORDER BY s.moment ASC NULLS FIRST)"
    found: list[str] = []
    for part in parts:
        row = f"row({columns(part, 'r')})"
        found.append(
            f"WITH {', '.join(_in_sequence(shape, snapshots))}"
            f" SELECT s.landed, s.part, s.nth FROM sequence s"
            f" LEFT JOIN {records} r ON {same_record('r', 's')}"
            f" {window} QUALIFY NOT s.dead AND lag({row}) OVER w IS DISTINCT FROM {row}"
        )
    return found


def _in_sequence(shape: Shape, snapshots: Sequence[date]) -> tuple[str, str]:
    """The steps from `facts` to `sequence`: one record a moment, and where keys vanish an end."""
    keys = ", ".join(key_names(shape))
    newest_last = f"PARTITION BY {keys}, moment ORDER BY {descending(shape)}"
    vanishes = shape.sees_deletes and shape.is_snapshot and bool(snapshots)
    sequence = _and_vanished(keys, snapshots) if vanishes else "SELECT * FROM latest"
    return (
        f"latest AS (SELECT * FROM facts QUALIFY row_number() OVER ({newest_last}) = 1)",
        f"sequence AS ({sequence})",
    )


def _and_vanished(keys: str, snapshots: Sequence[date]) -> str:
    """The records, and an end for each key at the first snapshot that lacks it."""
    told = f"{keys}, moment, dead, landed, part, nth"
    seen = f"SELECT *, lead(landed) OVER (PARTITION BY {keys} ORDER BY landed) AS again FROM latest"
    return (
        f"SELECT {told} FROM latest UNION ALL"
        f" SELECT {keys}, days.day, TRUE, days.day, NULL, NULL FROM ({seen}) seen"
        f" ASOF JOIN {calendar(snapshots)} ON seen.landed < days.day"
        " WHERE NOT seen.dead AND (seen.again IS NULL OR days.day < seen.again)"
    )


def _compared(shape: Shape, records: str, unlike: str | None) -> str:
    """The sequence, each with whether it says what the one before said, and whether that is dead.

    Only where the run date dates a version can two say the same: a moment is a value else.
    """
    names = (*key_names(shape), "moment", "dead", "landed", "part", "nth")
    keys = ", ".join(f"s.{name}" for name in key_names(shape))
    window = f"WINDOW w AS (PARTITION BY {keys} ORDER BY s.moment ASC NULLS FIRST)"
    repeats, values = "FALSE", ""
    if unlike is not None:
        repeats = "u.nth IS NULL"
        values = (
            f" LEFT JOIN {unlike} u ON u.landed = s.landed AND u.part = s.part AND u.nth = s.nth"
        )
    elif at(shape) is None:
        row = f"row({columns(shape.names, 'r')})"
        repeats = f"lag({row}) OVER w IS NOT DISTINCT FROM {row}"
        values = f" LEFT JOIN {records} r ON {same_record('r', 's')}"
    return (
        f"SELECT {', '.join(f's.{name}' for name in names)}, {repeats} AS repeats,"
        f" lag(s.dead) OVER w AS after_dead FROM sequence s{values} {window}"
    )
