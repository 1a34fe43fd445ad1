"""What a Silver table holds, in plain Python: docs/silver.md's rules over lists of dicts.

Written from the rules alone, and slow on purpose: no code of `bronze_engine.silver` and no SQL
has a part in it. A row of Bronze is a dict from names to values; a column that it lacks is NULL.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal

import msgspec

__all__ = ["Landed", "Row", "Table", "column_names", "counted", "rows"]

Row = dict[str, Any]


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """One committed generation of one Bronze date."""

    run_date: date
    files: tuple[tuple[Row, ...], ...]
    """The rows of each file, in the order of the manifest."""
    load: Literal["full", "incremental", "cdc"] = "incremental"
    epoch: int = 1
    generation: int = 1
    is_void: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What is configured. Columns have the names of Bronze: nothing is renamed here."""

    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    kind: Literal["state", "event"] = "state"
    history: Literal["current", "full"] = "current"
    deletes: Literal["ignore", "tombstone", "hard"] = "ignore"
    operation: str | None = None
    delete_codes: tuple[str, ...] = ()
    deleted_column: str | None = None
    late_after: timedelta | None = None
    """Records that came later than that are kept out; None: none is."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row of Bronze, or a key's absence from a snapshot, and its place among the others."""

    values: Row
    at: Any
    """Of order_by's first column, or the run date."""
    place: tuple[Any, ...]
    """Greater is newer; no two are equal."""
    run_date: date
    is_delete: bool = False


_OLDEST: Final = (0,)


def rows(table: Table, landed: Iterable[Landed]) -> list[Row]:
    """The rows that readers see, in no order, made of every date that counts."""
    dates = counted(landed)
    is_snapshot = bool(dates) and dates[-1].load == "full" and table.kind == "state"
    records = [
        record
        for each in dates
        for record in _records(table, each, is_snapshot=is_snapshot, is_first=each is dates[0])
    ]
    if table.deletes == "ignore" or table.kind == "event":
        records = [record for record in records if not record.is_delete]
    if table.kind == "event" and not table.keys:
        return [_row(table, record) for record in records]
    if is_snapshot and table.deletes != "ignore":
        records += _vanished(table, dates)
    keyed: dict[tuple[Any, ...], list[Record]] = {}
    for record in sorted(records, key=lambda record: record.place):
        keyed.setdefault(_key(table, record.values), []).append(record)
    made = _versions if table.history == "full" else _current
    return [row for each in keyed.values() for row in made(table, each)]


def column_names(table: Table) -> tuple[str, ...]:
    """Of the rows, in the order in which readers see them."""
    ours: tuple[str, ...] = ()
    if table.history == "full":
        ours += ("effective_from", "effective_to", "is_current")
    if table.deletes == "tombstone":
        ours += ("is_deleted",)
        ours += ("deleted_at", "_deleted_date") if table.history == "current" else ()
    return (*table.columns, *ours, "_bronze_date")


def counted(landed: Iterable[Landed]) -> list[Landed]:
    """The generations that the table is a function of, by run date."""
    dates = sorted(
        (each for each in landed if not each.is_void), key=lambda landed: landed.run_date
    )
    if not dates:
        return []
    newest = dates[-1]
    if newest.load == "full":
        return [each for each in dates if each.load == "full"]
    return [each for each in dates if each.epoch == newest.epoch]


def _records(table: Table, landed: Landed, *, is_snapshot: bool, is_first: bool) -> list[Record]:
    found: list[Record] = []
    for part, file in enumerate(landed.files):
        for number, row in enumerate(file):
            values = {name: row.get(name) for name in table.columns}
            order = [row.get(name) for name in table.order]
            at = order.pop(0) if order and not is_snapshot else landed.run_date
            if not is_snapshot and not is_first and _is_late(table, at, landed):
                continue
            place = (*map(_sortable, (at, *order)), landed.run_date, part, number)
            found.append(
                Record(
                    values=values,
                    at=at,
                    place=place,
                    run_date=landed.run_date,
                    is_delete=_is_delete(table, row),
                )
            )
    return found


def _is_delete(table: Table, row: Row) -> bool:
    if table.operation is not None and str(row.get(table.operation)) in table.delete_codes:
        return True
    mark = None if table.deleted_column is None else row.get(table.deleted_column)
    return mark is not None and mark is not False


def _is_late(table: Table, at: Any, landed: Landed) -> bool:
    if table.late_after is None or at is None or not table.order:
        return False
    bound = datetime.combine(landed.run_date, time(), UTC) - table.late_after
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)) < bound
    return datetime.combine(at, time(), UTC) < bound


def _vanished(table: Table, dates: Sequence[Landed]) -> list[Record]:
    """One delete for each key and each snapshot that lacks it where the one before had it: a key
    that the one before says is deleted is not deleted once more."""
    found: list[Record] = []
    before: dict[tuple[Any, ...], Record] = {}
    for landed in dates:
        records = _records(table, landed, is_snapshot=True, is_first=False)
        here = {
            _key(table, record.values): record
            for record in sorted(records, key=lambda record: record.place)
        }
        found += [
            Record(
                values=record.values,
                at=landed.run_date,
                place=(_sortable(landed.run_date),),
                run_date=landed.run_date,
                is_delete=True,
            )
            for key, record in before.items()
            if key not in here and not record.is_delete
        ]
        before = here
    return found


def _current(table: Table, records: Sequence[Record]) -> list[Row]:
    newest = records[-1]
    alive = [record for record in records if not record.is_delete]
    if not newest.is_delete:
        row = _row(table, newest)
        if table.deletes == "tombstone":
            row |= {"is_deleted": False, "deleted_at": None, "_deleted_date": None}
        return [row]
    if table.deletes == "hard":
        return []
    row = _row(table, alive[-1] if alive else newest)
    told = {"is_deleted": True, "deleted_at": newest.at, "_deleted_date": newest.run_date}
    return [row | told]


def _versions(table: Table, records: Sequence[Record]) -> list[Row]:
    by_at: dict[Any, Record] = {}
    for record in records:
        by_at[_sortable(record.at)] = record  # the greatest of each instant
    kept: list[Record] = []
    for record in by_at.values():
        if not kept or _differs(kept[-1], record):
            kept.append(record)
    found: list[Row] = []
    for number, record in enumerate(kept):
        following = kept[number + 1] if number + 1 < len(kept) else None
        if record.is_delete and table.deletes == "hard":
            continue
        row = _row(table, record)
        if record.is_delete and number:
            row |= kept[number - 1].values
        row |= {
            "effective_from": record.at,
            "effective_to": None if following is None else following.at,
            "is_current": following is None and not record.is_delete,
        }
        if table.deletes == "tombstone":
            row["is_deleted"] = record.is_delete
        found.append(row)
    return found


def _differs(before: Record, record: Record) -> bool:
    if before.is_delete or record.is_delete:
        return before.is_delete != record.is_delete
    return _sortables(before.values.values()) != _sortables(record.values.values())


def _row(table: Table, record: Record) -> Row:
    return {name: record.values[name] for name in table.columns} | {"_bronze_date": record.run_date}


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return _sortables(row.get(name) for name in table.keys)


def _sortables(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(_sortable, values))


def _sortable(value: Any) -> tuple[Any, ...]:
    """NULL first, NaN last, text by its bytes; of one column, so of one type."""
    match value:
        case None:
            return _OLDEST
        case float() if math.isnan(value):
            return (2,)
        case str():
            return (1, value.encode())
        case _:
            return (1, value)
