"""From a table of a database to the pipeline that lands it. Pure: no I/O.

What is likely comes from what the server knows for certain (keys, indexes, identity
columns, NOT NULL) before what names suggest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bronze_engine.inspection.columns import changed_rank, created_rank, shorten
from bronze_engine.inspection.toml import as_key, as_value, render
from bronze_engine.model.identifier import RelationName
from bronze_engine.sources.postgres.catalogue import CatalogueColumn, Relation
from bronze_engine.sources.postgres.outline import Evidence

__all__ = [
    "ColumnSeen",
    "CursorSeen",
    "Discovery",
    "Drafted",
    "TableInspection",
    "cursors_of",
    "discovered",
    "drafted",
    "inspected",
    "key_of",
]

_CURSORS: Final = {
    "timestamptz": "timestamp",
    "timestamp": "timestamp",
    "date": "date",
    "int8": "integer",
    "int4": "integer",
    "int2": "integer",
    "xid8": "xid8",
}
_PLAIN_NAME: Final = re.compile(r"[a-z_][a-z0-9_$]*")
_ADD: Final = 'Set load = "incremental", and add:'
_NO_ENTITY: Final = re.compile(r"[^A-Za-z0-9_-]+")


class ColumnSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One column, as the database declares it and as it would land."""

    name: str
    source_type: str
    type: str
    """As it lands."""
    is_required: bool
    """NOT NULL."""
    null_share: float | None
    """Of the last ANALYZE; None where there was none."""
    example: str


class CursorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A column whose values may say which rows are new."""

    column: str
    cursor_type: str
    is_indexed: bool
    """Whether the new rows are found without reading the whole table."""
    why: str


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's table, and the comments that stand in it, by the path below the pipeline."""

    team: str
    entity: str
    table: dict[str, Any]
    comments: dict[tuple[str, ...], list[str]]

    @property
    def name(self) -> str:
        return f"{self.team}.{self.entity}"


class TableInspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a table is, and the configuration that lands it."""

    pipeline: str
    location: str
    """The connection and the relation."""
    kind: str
    row_estimate: int | None
    size_bytes: int
    """Of its rows, without indexes and TOAST."""
    total_bytes: int
    columns: tuple[ColumnSeen, ...]
    sample: tuple[tuple[str | None, ...], ...]
    primary_key: tuple[str, ...]
    why_key: str
    cursors: tuple[CursorSeen, ...]
    slices: int
    """Into how many a run would cut it now."""
    notes: tuple[str, ...]
    toml: str
    """What to paste into pipelines.toml."""


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a schema, and the configuration that lands them."""

    connection: str
    schema: str
    pipelines: tuple[str, ...]
    notes: tuple[str, ...]
    toml: str


def key_of(relation: Relation, evidence: Evidence) -> tuple[tuple[str, ...], str]:
    """The columns that tell rows apart, and how that is known; none where nothing says so."""
    if relation.primary_key:
        return relation.primary_key, "the primary key"
    if evidence.unique_keys:
        return evidence.unique_keys[0], "a unique index without NULLs"
    return (), "there is no unique index without NULLs"


def cursors_of(
    relation: Relation, evidence: Evidence, key: Sequence[str]
) -> tuple[CursorSeen, ...]:
    """What may serve as `incremental.cursor`, the likeliest first: changed, counted, created."""
    found: list[tuple[tuple[int, int], CursorSeen]] = []
    for column in relation.columns:
        kind = None if column.is_array else _CURSORS.get(column.type_name)
        if kind is None or not column.is_readable:
            continue
        judged = _cursor(column, kind, evidence, key)
        if judged is None:
            continue
        rank, why = judged
        is_indexed = column.name in evidence.indexed
        cursor = CursorSeen(column=column.name, cursor_type=kind, is_indexed=is_indexed, why=why)
        found.append(((rank, not is_indexed), cursor))
    found.sort(key=lambda each: each[0])
    return tuple(cursor for _, cursor in found)


def _cursor(
    column: CatalogueColumn, kind: str, evidence: Evidence, key: Sequence[str]
) -> tuple[int, str] | None:
    changed, created = changed_rank(column.name), created_rank(column.name)
    if kind == "xid8":
        return 0, "is the transaction that wrote the row"
    if changed is not None and kind in ("timestamp", "date"):
        return 100 + changed, "says when a row changed"
    if column.name in evidence.counted:
        return 200, "is counted up: changes of older rows are not seen"
    if created is not None and kind in ("timestamp", "date"):
        return 300 + created, "says when a row came to be: changes of older ones are not seen"
    if kind == "timestamp" and column.is_required:
        return 400, "is an instant"
    if kind == "integer" and tuple(key) == (column.name,):
        return 500, "is the key: if it only grows, rows above the last one are new"
    return None


def drafted(
    connection: str,
    relation: Relation,
    key: Sequence[str],
    cursors: Sequence[CursorSeen],
    *,
    name: str | None = None,
    taken: Sequence[str] = (),
) -> Drafted:
    """The pipeline that lands a relation whole; what would read only new rows is a comment.

    `name` is `team.name`, where unset the connection's and the relation's; one that is
    `taken` gets a number.
    """
    team, _, entity = (name or "").partition(".")
    if not entity:
        team = connection
        entity = _NO_ENTITY.sub("_", relation.name).strip("_-") or "table"
    entity = _free(team, entity, taken)
    hidden = [column.name for column in relation.columns if not column.is_readable]
    source: dict[str, Any] = {
        "type": "postgres",
        "connection": connection,
        "table": written(RelationName(relation.schema, relation.name)),
    }
    if hidden:
        source["omit"] = hidden
    table: dict[str, Any] = {"load": "full"}
    if key:
        table["primary_key"] = list(key)
    table["source"] = source
    comments: dict[tuple[str, ...], list[str]] = {}
    _comment(comments, relation, cursors, f"{team}.{entity}")
    return Drafted(team=team, entity=entity, table=table, comments=comments)


def _comment(
    comments: dict[tuple[str, ...], list[str]],
    relation: Relation,
    cursors: Sequence[CursorSeen],
    name: str,
) -> None:
    unbounded = [
        column.name
        for column in relation.columns
        if (column.type_name, column.modifier) == ("numeric", -1) and not column.is_array
    ]
    if unbounded:
        kinds = ", ".join(f'{as_key(column)} = "decimal(38,10)"' for column in unbounded)
        comments["source",] = [
            "# numeric without a precision lands as text; typed, where all values fit:",
            f"# [pipelines.{name}.schema]",
            f"# columns = {{ {kinds} }}",
        ]
    if cursors:
        best = cursors[0]
        comments.setdefault(("source",), []).extend(
            [
                f"# Only what is new: {as_key(best.column)} {best.why}. {_ADD}",
                f"# [pipelines.{name}.incremental]",
                f"# cursor = {as_value(best.column)}",
                f'# cursor_type = "{best.cursor_type}"',
            ]
        )


def inspected(
    connection: str,
    relation: Relation,
    evidence: Evidence,
    sample: tuple[tuple[str | None, ...], ...],
    *,
    types: dict[str, str],
    slices: int,
    name: str | None = None,
    taken: Sequence[str] = (),
) -> TableInspection:
    """Put together what was found. `types` are those that the columns land as, by name."""
    key, why_key = key_of(relation, evidence)
    cursors = cursors_of(relation, evidence, key)
    made = drafted(connection, relation, key, cursors, name=name, taken=taken)
    readable = [column for column in relation.columns if column.is_readable]
    short = tuple(
        tuple(None if value is None else shorten(value) for value in row) for row in sample
    )
    notes = []
    if relation.row_estimate is None:
        notes.append("it was never analyzed: rows and shares of NULL are not known")
    if hidden := [column.name for column in relation.columns if not column.is_readable]:
        notes.append(f"{relation.user} may not read {', '.join(hidden)}; they are left out")
    if cursors and not cursors[0].is_indexed:
        notes.append(f"no index begins with {cursors[0].column}: each run would read all rows")
    return TableInspection(
        pipeline=made.name,
        location=f"{connection}: {relation}",
        kind=relation.kind,
        row_estimate=relation.row_estimate,
        size_bytes=relation.size_bytes,
        total_bytes=max(relation.size_bytes, evidence.total_bytes),
        columns=tuple(
            ColumnSeen(
                name=column.name,
                source_type=column.source_type,
                type=types[column.name],
                is_required=column.is_required,
                null_share=seen.null_share
                if (seen := evidence.statistics.get(column.name))
                else None,
                example=next((row[place] or "" for row in short if row[place] is not None), ""),
            )
            for place, column in enumerate(readable)
        ),
        sample=short,
        primary_key=key,
        why_key=why_key,
        cursors=cursors,
        slices=slices,
        notes=tuple(notes),
        toml=document([made]),
    )


def discovered(
    connection: str, schema: str, made: Sequence[Drafted], notes: Sequence[str]
) -> Discovery:
    """Put together what was drafted."""
    return Discovery(
        connection=connection,
        schema=schema,
        pipelines=tuple(each.name for each in made),
        notes=tuple(notes),
        toml=document(made),
    )


def document(pipelines: Sequence[Drafted]) -> str:
    """The pipelines as pipelines.toml has them."""
    teams: dict[str, dict[str, Any]] = {}
    comments: dict[tuple[str, ...], Sequence[str]] = {}
    for each in pipelines:
        teams.setdefault(each.team, {})[each.entity] = each.table
        for below, lines in each.comments.items():
            comments["pipelines", each.team, each.entity, *below] = lines
    return render({"pipelines": teams}, comments)


def written(name: RelationName) -> str:
    """A relation as a person would write it: quoted only where SQL needs it."""
    parts = [name.name] if name.schema is None else [name.schema, name.name]
    return ".".join(part if _PLAIN_NAME.fullmatch(part) else _quoted(part) for part in parts)


def _quoted(part: str) -> str:
    return RelationName(None, part).quoted


def _free(team: str, entity: str, taken: Sequence[str]) -> str:
    known = {each.lower() for each in taken}
    numbered = entity
    number = 2
    while f"{team}.{numbered}".lower() in known:
        numbered = f"{entity}_{number}"
        number += 1
    return numbered
