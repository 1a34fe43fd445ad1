"""How the columns of one partition differ from those of the one before, and what comes next."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
import pyarrow as pa

from bronze_engine.model.arrow import schema_from_text, schema_to_text
from bronze_engine.model.layout import STAMP_COLUMNS, Column, Layout
from bronze_engine.model.manifest import Manifest, SchemaChange
from bronze_engine.model.nearest import nearest
from bronze_engine.model.path import is_nested, key_path

__all__ = [
    "base_layout",
    "schema_changes",
    "schema_from_text",
    "schema_to_text",
    "schema_warnings",
]


def base_layout(manifest: Manifest) -> Layout | None:
    """The layout that the partition after `manifest` starts from; None if it had no columns.

    Its columns are those of that partition, variant and extra ones included, with the
    wider types that `on_drift = "widen"` recorded there; what the engine stamps is left
    out. It is not settled: new columns and new fields of structs may still come.
    """
    if not manifest.arrow_schema:
        return None
    fields = []
    for field in schema_from_text(manifest.arrow_schema):
        if field.name in STAMP_COLUMNS:
            continue
        column = Column.parse(field)
        if column.wider is not None:
            wider = Column.parse(schema_from_text(column.wider).field(0))
            column = msgspec.structs.replace(column, type=wider.type, role=wider.role, wider=None)
        fields.append(column.field())
    return Layout(version=0, schema=pa.schema(fields), known=len(fields))


def schema_changes(layout: Layout, base: Layout | None) -> tuple[SchemaChange, ...]:
    """What a run must record: columns that the base does not have, and types that differ.

    "added" is a new column, "variant" a column for misfits, "extra" the column for keys
    without one, "widened" a type that differs from the base (a struct with new fields
    too) or, with `on_drift = "widen"`, that the next partition will have, "removed" a column
    that the configuration no longer makes: taken apart by `flatten`, or not any more.
    """
    before = {} if base is None else {column.name: column for column in base.columns()}
    changes: list[SchemaChange] = []
    for column in layout.columns():
        old = before.get(column.name)
        if old is None:
            changes.append(_first_seen(column))
        elif old.type != column.type or old.role != column.role:
            detail = f"{_describe(old)} -> {_describe(column)}"
            changes.append(SchemaChange(change="widened", column=column.name, detail=detail))
        if column.wider is not None:
            wider = Column.parse(schema_from_text(column.wider).field(0))
            detail = f"{_describe(column)} -> {_describe(wider)} from the next partition on"
            changes.append(SchemaChange(change="widened", column=column.name, detail=detail))
    now = set(layout.schema.names)
    changes += [
        SchemaChange(change="removed", column=name, detail=_describe(column))
        for name, column in before.items()
        if name not in now
    ]
    return tuple(changes)


def schema_warnings(
    layout: Layout, base: Layout | None, named: Mapping[str, Collection[str]] | None = None
) -> tuple[str, ...]:
    """What a person should know about columns that the base does not have.

    `named` are the keys that the configuration names, and where: one that no record has, now
    or before, may be misspelt. A source whose columns are declared names and types them itself,
    and tells what there is to tell of that.
    """
    columns = {column.name: column for column in layout.columns()}
    before = set() if base is None else set(base.schema.names)
    found: list[str] = []
    for name, column in columns.items():
        if name in before or _is_declared(column, columns):
            continue
        if column.key is not None and _is_renamed(name, column.key):
            what = (
                f"value {'.'.join(key_path(column.key))!r}"
                if is_nested(column.key)
                else f"key {column.key!r}"
            )
            found.append(
                f"{what} lands as column {name!r}: another column has its "
                "name up to case, or the name is the engine's own"
            )
        if column.role == "number":
            found.append(f"column {name!r}: numbers kept as text, no number type is exact")
        if column.role == "variant":
            of = columns.get(column.of or "")
            kind = f" ({_describe(of)})" if of is not None else ""
            found.append(f"column {column.of!r}{kind}: values that do not fit are in {name!r}")
        if column.role == "extra":
            found.append(f"keys without a column of their own are JSON text in {name!r}")
    if columns:
        found += [
            f"{option} names {key!r}, and no record has such a key;"
            f" {nearest(key, columns, write=repr)}"
            for option, keys in (named or {}).items()
            for key in keys
            if not any(column.is_called(key) for column in columns.values())
        ]
    return tuple(found)


def _is_declared(column: Column, columns: Mapping[str, Column]) -> bool:
    """Whether the source said what the column is before it sent a row."""
    of = columns.get(column.of or "", column)
    return of.source_type is not None


def _is_renamed(name: str, key: str) -> bool:
    """Whether the column could not have the name of its key, and got a number behind it."""
    return not name.endswith(key_path(key)[-1]) if is_nested(key) else name != key


def _first_seen(column: Column) -> SchemaChange:
    match column.role:
        case "variant":
            return SchemaChange(change="variant", column=column.name, detail=f"of {column.of}")
        case "extra":
            return SchemaChange(change="extra", column=column.name)
        case _:
            return SchemaChange(change="added", column=column.name, detail=_describe(column))


def _describe(column: Column) -> str:
    if column.role == "number":
        return "numbers kept as text"
    return "json" if column.role == "json" else str(column.type)
