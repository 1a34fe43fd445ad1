"""Which columns are read, as what they land, and the layout that comes of it.

The layout is fixed before the first row: by the catalogue, by `schema.columns`, and by the
newest earlier partition, whose columns never narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.identifier import quote_ident
from bronze_engine.model.layout import VARIANT_SUFFIX, Column, Layout, Role
from bronze_engine.model.nearest import nearest
from bronze_engine.model.types.named import parse_type
from bronze_engine.model.types.widening import wider
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.kinds import has_specials
from bronze_engine.sources.landing import (
    check_contract,
    columns_by_key,
    landed_names,
)
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.types import Reading, reading_as, reading_of

__all__ = ["Selected", "Selection", "select_columns"]

_OFFERED: Final = (
    *("int16", "int32", "int64", "double", "decimal(38,9)", "timestamp", "json", "string"),
)
"""Types of `schema.columns` that an error may propose."""


@final
class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """One column that is read."""

    source: CatalogueColumn
    sql: str
    """What to select, without an alias: a quoted name, perhaps cast."""
    field: Field
    column: Column


@final
class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """All columns that are read, in order."""

    columns: tuple[Selected, ...]
    layout: Layout
    """Of what lands: with the columns for special values where those are kept as text."""
    warnings: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(each.field for each in self.columns)

    @property
    def sql(self) -> str:
        """What stands between SELECT and FROM; empty for a relation without columns."""
        return ", ".join(each.sql for each in self.columns)


def select_columns(
    columns: Sequence[CatalogueColumn],
    source: PostgresSourceConfig,
    schema: SchemaConfig,
    base: Layout | None,
    *,
    origin: str,
) -> Selection:
    """Choose and type the columns of a relation or query, which `origin` names in errors.

    Raises ExtractError for a column that is configured and not there, ConfigError for a type
    that may change values, QualityError where `contract = "freeze"` is broken.
    """
    chosen = _chosen(columns, source, schema, origin)
    before = columns_by_key(base)
    names, warnings = landed_names(
        [column.name for column in chosen], source.rename, before, "source.rename gives it one"
    )
    selected = [
        _selected(column, names[column.name], source, schema, before.get(column.name))
        for column in chosen
    ]
    landing: list[Column] = []
    for each in selected:
        landing.append(each.column)
        if source.on_special == "text" and has_specials(each.field):
            landing.append(_variant_of(each.column))
    check_contract(base, landing, schema, origin)
    fixed = pa.schema([column.field() for column in landing])
    return Selection(
        columns=tuple(selected),
        layout=Layout(version=1, schema=fixed, is_settled=True),
        warnings=tuple(warnings),
    )


def _chosen(
    columns: Sequence[CatalogueColumn],
    source: PostgresSourceConfig,
    schema: SchemaConfig,
    origin: str,
) -> list[CatalogueColumn]:
    known = {column.name: column for column in columns}
    named = {
        "source.columns": source.columns,
        "source.omit": source.omit,
        "source.rename": source.rename,
        "schema.columns": schema.columns,
    }
    for option, names in named.items():
        for name in names:
            if name not in known:
                raise ExtractError(
                    f"{option} names {name!r}, and {origin} has no such column;"
                    f" {nearest(name, known, write=repr)}"
                )
    chosen = source.columns or [name for name in known if name not in source.omit]
    for name in schema.columns:
        if name not in chosen:
            raise ConfigError(f"schema.columns.{name}: the column is not read; leave its type out")
    return [known[name] for name in chosen]


def _selected(
    column: CatalogueColumn,
    name: str,
    source: PostgresSourceConfig,
    schema: SchemaConfig,
    before: Column | None,
) -> Selected:
    reading = _reading(column, schema.columns.get(column.name), before)
    field = Field(
        name=name,
        kind=reading.kind,
        type=reading.type,
        nullable=True,
        element=reading.element,
        source_type=column.source_type,
    )
    is_nullable = not column.is_required or (source.on_special != "fail" and has_specials(field))
    return Selected(
        source=column,
        sql=reading.template.replace("{}", quote_ident(column.name)),
        field=msgspec.structs.replace(field, nullable=is_nullable),
        column=Column(
            name=name,
            type=reading.type,
            key=column.name,
            role=reading.role,
            nullable=is_nullable,
            source_type=column.source_type,
        ),
    )


def _reading(column: CatalogueColumn, wanted: str | None, before: Column | None) -> Reading:
    usual = reading_of(column)
    if wanted is not None:
        kind, role = parse_type(column.name, wanted)
        if role in ("value", "text", "json"):
            found = reading_as(column, kind, "json" if role == "json" else "value")
            if found is not None:
                return found
        raise ConfigError(
            f"schema.columns.{column.name}: {wanted!r} may not hold every {column.source_type}"
            f" as it is; leave it out ({usual.type}), or write {_offered(column, usual)}"
        )
    if before is None:
        return usual
    if before.role == "json":
        return _as_text(column, "json")
    return reading_as(column, wider(before.type, usual.type)) or _as_text(column)


def _as_text(column: CatalogueColumn, role: Role = "value") -> Reading:
    found = reading_as(column, pa.string(), role)
    if found is None:
        raise AssertionError("every type has a text")
    return found


def _offered(column: CatalogueColumn, usual: Reading) -> str:
    offered: list[str] = []
    for name in _OFFERED:
        kind, role = parse_type(column.name, name)
        found = reading_as(column, kind, "json" if role == "json" else "value")
        if found is not None and found != usual:
            offered.append(f'"{name}"')
    return " or ".join(offered)


def _variant_of(column: Column) -> Column:
    return Column(
        name=column.name + VARIANT_SUFFIX,
        type=pa.string(),
        key=None,
        role="variant",
        of=column.name,
    )
