"""What columns hold: which tell rows apart, which say what is new, which wait for a type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.types.row_text import printed_values

__all__ = [
    "Column",
    "Cursor",
    "changed_rank",
    "columns_of",
    "created_rank",
    "cursors_of",
    "primary_key_of",
    "shorten",
    "values_of",
]

_LONGEST: Final = 40
_INSTANT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:?\d{2})"
)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCHS: Final = ((10, "epoch_s"), (13, "epoch_ms"))
_MONEY: Final = re.compile(r"-?\d{1,14}\.\d{1,4}")
_KEYS: Final = ("id", "uuid", "guid", "key", "sid", "gid", "number", "code", "slug")
_CHANGED: Final = (
    *("updatedat", "updated", "modifiedat", "modified", "lastmodified", "lastmodifieddate"),
    *("lastmodifiedat", "updatedon", "modifiedon", "systemmodstamp", "changedat", "lastupdated"),
    *("dateupdated", "updatedtime", "updateddate", "lastupdatedat", "lasteditedtime"),
)
_CREATED: Final = (
    *("createdat", "created", "createdon", "createddate", "createdtime", "datecreated"),
    *("timestamp", "occurredat", "eventtime", "date", "time"),
)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column over the records that were seen."""

    name: str
    type: str
    """As it would land."""
    nulls: int
    distinct: int | None
    """Different values; None of nested ones, and where there are none."""
    example: str
    suggested: str | None = None
    """A type of [….schema.columns] that every value has, and that says more."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """A column whose values may say which rows are new."""

    column: str
    cursor_type: str
    order: str
    """`ascending`, `descending` or `mixed`, as the records came."""
    why: str


def columns_of(table: pa.Table) -> tuple[Column, ...]:
    """Each column in order."""
    return tuple(_column(field.name, table.column(field.name)) for field in table.schema)


def values_of(column: pa.ChunkedArray[Any]) -> list[Any]:
    """The values as Python has them, or, where it has not each of them, as texts: it has no year
    past 9999 and none before 1."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return [value for chunk in column.chunks for value in printed_values(chunk)]


def _column(name: str, values: pa.ChunkedArray[Any]) -> Column:
    is_flat = not pa.types.is_nested(values.type) and not pa.types.is_null(values.type)
    example = next((value for value in values_of(values) if value is not None), None)
    return Column(
        name=name,
        type=str(values.type),
        nulls=values.null_count,
        distinct=pc.count_distinct(values).as_py() if is_flat else None,
        example=shorten(example),
        suggested=_suggested(name, values),
    )


def shorten(value: object) -> str:
    """A value on one line, cut where it is long."""
    if value is None:
        return ""
    text = _written(value)
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _written(value: object) -> str:
    """As JSON; what JSON has as a text (decimals, times) without its quotes."""
    try:
        known = msgspec.to_builtins(value)
        return known if isinstance(known, str) else msgspec.json.encode(known).decode()
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _suggested(name: str, values: pa.ChunkedArray[Any]) -> str | None:
    known = [value for value in values_of(values) if value is not None]
    if not known:
        return None
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        if all(_INSTANT.fullmatch(value) for value in known):
            return "timestamp(us, UTC)"
        if all(_DATE.fullmatch(value) for value in known):
            return "date"
        if all(_MONEY.fullmatch(value) for value in known):
            return "decimal(18,4)"
    if pa.types.is_integer(values.type) and _plain(name) in (*_CHANGED, *_CREATED):
        for digits, kind in _EPOCHS:
            if all(len(str(value)) == digits and value > 0 for value in known):
                return kind
    return None


def primary_key_of(columns: Sequence[Column], rows: int) -> str | None:
    """The column that tells rows apart: different in each, never null, named as keys are."""
    if rows < 2:
        return None
    unique = [
        each.name
        for each in columns
        if each.nulls == 0 and each.distinct == rows and _is_key_type(each.type)
    ]
    by_name = sorted(
        (name for name in unique if _key_rank(name) is not None),
        key=lambda name: _key_rank(name) or 0,
    )
    return by_name[0] if by_name else None


def _is_key_type(kind: str) -> bool:
    return kind in ("string", "large_string") or kind.startswith(("int", "uint", "decimal"))


def _key_rank(name: str) -> int | None:
    bare = _plain(name)
    if bare in _KEYS:
        return _KEYS.index(bare)
    for rank, suffix in enumerate(("id", "uuid", "key", "number", "code"), len(_KEYS)):
        if name.lower().endswith((f"_{suffix}", f"-{suffix}")) or re.search(
            rf"[a-z]{suffix.capitalize()}$", name
        ):
            return rank
    return None


def cursors_of(
    table: pa.Table, columns: Sequence[Column], primary_key: str | None
) -> tuple[Cursor, ...]:
    """What may serve as `incremental.cursor`, the likeliest first: changed, created, growing."""
    found: list[tuple[int, Cursor]] = []
    for column in columns:
        kind = _cursor_type(column)
        if kind is None or column.nulls:
            continue
        changed, created = changed_rank(column.name), created_rank(column.name)
        order = _order(values_of(table.column(column.name)))
        if changed is not None:
            rank, why = changed, "says when a record changed"
        elif created is not None and kind in ("timestamp", "date"):
            rank = 100 + created
            why = "says when a record came to be: changes of older ones are not seen"
        elif column.name == primary_key and kind == "integer" and order == "ascending":
            rank, why = 300, "grows from record to record: changes of older ones are not seen"
        elif kind == "timestamp":
            rank, why = 200, "is an instant"
        else:
            continue
        found.append((rank, Cursor(column=column.name, cursor_type=kind, order=order, why=why)))
    found.sort(key=lambda each: each[0])
    return tuple(cursor for _, cursor in found)


def _cursor_type(column: Column) -> str | None:
    for kind in (column.suggested or "", column.type):
        if kind.startswith(("timestamp", "epoch")):
            return "timestamp"
        if kind == "date" or kind.startswith("date32"):
            return "date"
    return "integer" if column.type.startswith(("int", "uint")) else None


def _order(values: list[Any]) -> str:
    if len(values) < 2:
        return "mixed"
    if all(one <= other for one, other in pairwise(values)):
        return "ascending"
    if all(one >= other for one, other in pairwise(values)):
        return "descending"
    return "mixed"


def changed_rank(name: str) -> int | None:
    """How usual a name is for the instant of a change, from 0; None where it is none."""
    bare = _plain(name)
    return _CHANGED.index(bare) if bare in _CHANGED else None


def created_rank(name: str) -> int | None:
    """The same for the instant at which something came to be."""
    bare = _plain(name)
    return _CREATED.index(bare) if bare in _CREATED else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
