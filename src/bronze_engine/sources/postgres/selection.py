"""Which columns are read, as what they land, and the layout that comes of it.

The layout is fixed before the first row: by the catalogue, by `schema.columns`, and by the
newest earlier partition, whose columns never narrow.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ConfigError, ExtractError, QualityError
from bronze_engine.model.column_types import parse_type
from bronze_engine.model.identifier import quote_ident
from bronze_engine.model.layout import (
    EXTRA_COLUMN,
    RAW_COLUMN,
    STAMP_COLUMNS,
    VARIANT_SUFFIX,
    Column,
    Layout,
)
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.kinds import has_specials
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.types import Reading, reading_as, reading_of, wider

__all__ = ["Selected", "Selection", "select_columns"]

_RESERVED: Final = frozenset({*STAMP_COLUMNS, EXTRA_COLUMN, RAW_COLUMN})
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
    before = {} if base is None else _by_key(base)
    names, warnings = _names(chosen, source, before)
    selected = [
        _selected(column, names[column.name], source, schema, before.get(column.name))
        for column in chosen
    ]
    landing: list[Column] = []
    for each in selected:
        landing.append(each.column)
        if source.on_special == "text" and has_specials(each.field):
            landing.append(_variant_of(each.column))
    if schema.contract == "freeze" and base is not None:
        _check_contract(base, landing, schema, origin)
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
                    f" {_near(name, known)}"
                )
    chosen = source.columns or [name for name in known if name not in source.omit]
    for name in schema.columns:
        if name not in chosen:
            raise ConfigError(f"schema.columns.{name}: the column is not read; leave its type out")
    return [known[name] for name in chosen]


def _near(name: str, known: Iterable[str]) -> str:
    folded = {other.casefold(): other for other in known}
    near = [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3)]
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"it has {', '.join(map(repr, folded.values())) or 'none at all'}"


def _by_key(base: Layout) -> dict[str, Column]:
    return {column.key: column for column in base.columns() if column.key is not None}


def _names(
    chosen: Sequence[CatalogueColumn], source: PostgresSourceConfig, before: dict[str, Column]
) -> tuple[dict[str, str], list[str]]:
    """What each column lands as. Names differ by more than case: many engines fold it."""
    names = {
        column.name: before[column.name].name
        for column in chosen
        if column.name in before and column.name not in source.rename
    }
    taken = {name.casefold() for name in (*_RESERVED, *names.values())}
    warnings: list[str] = []
    for column in chosen:
        if column.name in names:
            continue
        wanted = source.rename.get(column.name, column.name)
        name, number = wanted, 2
        while name.casefold() in taken or name.casefold().endswith(VARIANT_SUFFIX):
            name, number = f"{wanted}_{number}", number + 1
        if name != wanted:
            warnings.append(
                f"column {column.name!r} lands as {name!r}: another column has its name up to"
                " case, or the name is the engine's own; source.rename gives it one"
            )
        taken.add(name.casefold())
        names[column.name] = name
    return names, warnings


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
    if before.role == "json" or usual.role == "json":
        same_role = before.role == usual.role
        return usual if same_role else reading_as(column, pa.string(), "json") or usual
    return reading_as(column, wider(before.type, usual.type)) or _as_text(column)


def _as_text(column: CatalogueColumn) -> Reading:
    found = reading_as(column, pa.string())
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


def _check_contract(
    base: Layout, landing: Sequence[Column], schema: SchemaConfig, origin: str
) -> None:
    before = {column.name: column for column in base.columns() if column.role != "variant"}
    now = {column.name: column for column in landing if column.role != "variant"}
    found = [f"{name!r} is new" for name, column in now.items() if _is_new(column, before, schema)]
    found += [f"{name!r} is gone" for name in before if name not in now]
    found += [
        f"{name!r} was {before[name].type} and is {column.type} ({column.source_type})"
        for name, column in now.items()
        if name in before and before[name].type != column.type and column.key not in schema.columns
    ]
    if found:
        raise QualityError(
            f'{origin} is not what contract = "freeze" has frozen: {"; ".join(found)}; name the'
            ' columns in source.columns, or write contract = "evolve" for one run'
        )


def _is_new(column: Column, before: dict[str, Column], schema: SchemaConfig) -> bool:
    return column.name not in before and column.key not in schema.columns
