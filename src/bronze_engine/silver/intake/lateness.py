"""Records that come later than they may: which they are, and what that does to a run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa

from bronze_engine.config.silver import Silver
from bronze_engine.errors import QualityError
from bronze_engine.model.silver_columns import LATE
from bronze_engine.silver.columns.shape import BRONZE_DATE, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import columns, identifier, literal
from bronze_engine.silver.database.types import sql_type

__all__ = ["check_none_late", "is_judged", "with_late"]


def is_judged(silver: Silver, shape: Shape) -> bool:
    """Whether lateness matters. Snapshots say how things are: nothing in them is late."""
    return silver.late_data != "apply" and not shape.is_snapshot and bool(shape.names)


def with_late(
    silver: Silver, shape: Shape, records: str, run_dates: Collection[date], first: date
) -> str:
    """`records`, a SELECT, and `_late` beside them: why a record is late. `first` is the first date
    that the table counts, which holds history.

    Raises QualityError (QUAL001) where the first column of `order_by` is no time.
    """
    kind = _moment(shape)
    late, nothing = identifier(LATE), f"CAST({literal(None)} AS VARCHAR)"
    bounds = {day: _bound(silver, day).isoformat() for day in sorted(run_dates) if day > first}
    if not bounds:
        return f"SELECT *, {nothing} AS {late} FROM ({records})"
    name = f"r.{identifier(shape.order[0])}"
    value = f"CAST({name} AS TIMESTAMP)" if pa.types.is_date(kind) else name
    kind_name = "TIMESTAMP" if pa.types.is_date(kind) else sql_type(kind)
    zone = "Z" if kind_name.startswith("TIMESTAMPTZ") else ""
    said = f"late: {shape.order[0]} lies before"
    # A bound before 1677 is none of nanoseconds: then nothing is late.
    listed = ", ".join(
        f"({literal(day)}, TRY_CAST({literal(bound + zone)} AS {kind_name}),"
        f" {literal(f'{said} {bound}Z: ')})"
        for day, bound in bounds.items()
    )
    return (
        f"SELECT r.*, CASE WHEN {value} < d.bound THEN concat(d.said, CAST({name} AS VARCHAR)) END"
        f" AS {late} FROM ({records}) AS r LEFT JOIN (VALUES {listed}) AS d(day, bound, said)"
        f" ON r.{identifier(BRONZE_DATE)} = d.day"
    )


def _moment(shape: Shape) -> pa.DataType:
    """The type of what says when a record is of."""
    kind = shape.columns.field(shape.order[0]).type if shape.order else None
    if kind is not None and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return kind
    what = "there is none" if kind is None else f"{shape.order[0]!r} is {kind}"
    raise QualityError(
        f"silver.late_data goes by the first column of silver.order_by, and {what}; nothing was"
        " published; name a timestamp or date there, or make it one in silver.columns.cast"
    )


def _bound(silver: Silver, run_date: date) -> datetime:
    """The first instant that is not late, of UTC, without its zone."""
    began = datetime.combine(run_date, time(), UTC).replace(tzinfo=None)
    try:
        return began - timedelta(seconds=silver.late_after or 0)
    except OverflowError:  # as long as there have been years
        return datetime.min  # noqa: DTZ901  # of UTC, as the others


async def check_none_late(database: Database, shape: Shape, relation: str, run_dates: str) -> None:
    """Raise QualityError (QUAL001) where a record of some dates is late.

    `run_dates` is the condition that a record is of them.
    """
    name = identifier(shape.order[0])
    keys = columns(shape.keys) if shape.keys else identifier(BRONZE_DATE)
    found = await database.execute(
        f"SELECT count(*) OVER (), CAST({name} AS VARCHAR), {identifier(BRONZE_DATE)}, {keys}"
        f" FROM {relation} WHERE {identifier(LATE)} IS NOT NULL AND {run_dates}"
        f" ORDER BY {name}, {keys} LIMIT 1"
    )
    if not found:
        return
    count, oldest, run_date, *key = found[0]
    of = ", ".join(f"{name} = {value}" for name, value in zip(shape.keys, key, strict=False))
    whose = f" (of {of})" if of else ""
    raise QualityError(
        f'{count:,} records are late, and silver.late_data is "reject": the oldest{whose} has'
        f" {shape.order[0]} = {oldest} and landed for {run_date}; nothing was published; raise"
        ' silver.late_after, or set silver.late_data to "apply" or "quarantine"',
        column=shape.order[0],
    )
