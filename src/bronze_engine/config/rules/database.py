"""What a well-typed source of a database may still get wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from bronze_engine.config.database.drivers import DRIVERS, TAKES_BATCH_ROWS
from bronze_engine.config.database.sql import bracket_fault, is_inside
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.source import (
    AdbcSourceConfig,
    DatabaseSourceConfig,
    PostgresSourceConfig,
)
from bronze_engine.config.template import render, uses
from bronze_engine.errors import ConfigError
from bronze_engine.model.identifier import RelationName, parse_parts

__all__ = ["database_source_faults"]

_HTTP_ONLY: Final = ("step", "steps_per_slice", "start_param", "end_param", "format")
_KNOWN: Final = frozenset({"run_date", "low", "high"})
_PLACEHOLDER: Final = re.compile(r"(?<!\{)\{(?:run_date|low|high)\b")


def database_source_faults(
    pipeline: Pipeline, source: DatabaseSourceConfig, path: KeyPath
) -> Iterator[Fault]:
    """Faults of a source, and of what else of its pipeline does not fit a database."""
    here = (*path, "source")
    if (source.table is None) == (source.query is None):
        what = "neither is set" if source.table is None else "both are set"
        yield Fault(here, f"reads a table or a query, and {what}; write one of the two")
    for key in ("table", "query", "where"):
        text = getattr(source, key)
        if text is not None and not text.strip():
            yield Fault((*here, key), "is empty; leave it out")
    yield from _names(source.columns, (*here, "columns"))
    yield from _templates(source, pipeline.incremental, here)
    if isinstance(source, PostgresSourceConfig):
        yield from _postgres(source, pipeline, here)
    else:
        yield from _adbc(source, pipeline.incremental, here)
    if pipeline.incremental is not None:
        yield from _incremental(source, pipeline.incremental, (*path, "incremental"))
    yield from _schema(pipeline.schema, (*path, "schema"))


def _names(names: Sequence[str], path: KeyPath) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if not name:
            yield Fault(path, "holds an empty name")
        elif count > 1:
            yield Fault(path, f"names {json.dumps(name)} {count} times")


def _postgres(source: PostgresSourceConfig, pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
    if source.table is not None and source.table.strip():
        try:
            RelationName.parse(source.table)
        except ValueError as exc:
            yield Fault((*path, "table"), str(exc))
    yield from _names(source.omit, (*path, "omit"))
    if source.columns and source.omit:
        yield Fault((*path, "omit"), "has no effect beside columns; leave one of the two out")
    for column, name in source.rename.items():
        here = (*path, "rename", column)
        if not name:
            yield Fault(here, "is empty; write what the column lands as")
        elif column in source.omit or (source.columns and column not in source.columns):
            yield Fault(here, "is of a column that is not taken")
    yield from _names(list(source.rename.values()), (*path, "rename"))
    yield from _partitions(source, path)
    if source.reading == "keyset":
        if pipeline.incremental is None and not pipeline.primary_key:
            yield Fault(
                (*path, "reading"),
                '"keyset" goes from chunk to chunk by a key; set the pipeline\'s primary_key',
            )
        elif pipeline.incremental is not None and pipeline.incremental.cursor_type == "xid8":
            yield Fault((*path, "reading"), '"keyset" can\'t go by a cursor of the type xid8')
    elif source.chunk_rows is not None:
        yield Fault((*path, "chunk_rows"), 'is for reading = "keyset" only')


def _partitions(source: PostgresSourceConfig, path: KeyPath) -> Iterator[Fault]:
    is_cut = isinstance(source.partitions, int) and source.partitions > 1
    if source.reading == "keyset":
        for key, is_set in (
            ("partition_column", source.partition_column is not None),
            ("partitions", source.partitions != "auto"),
        ):
            if is_set:
                yield Fault((*path, key), 'has no effect where reading = "keyset"; leave it out')
    elif is_cut and source.query is not None and source.partition_column is None:
        yield Fault(
            (*path, "partitions"),
            "a query is cut by a column; set partition_column, or leave partitions out",
        )
    elif source.partitions == 1 and source.partition_column is not None:
        yield Fault((*path, "partition_column"), "has no effect where partitions = 1")


def _adbc(
    source: AdbcSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    if source.table is not None and source.table.strip():
        try:
            parse_parts(source.table)
        except ValueError as exc:
            yield Fault((*path, "table"), str(exc))
    if incremental is not None and source.columns and incremental.cursor not in source.columns:
        yield Fault(
            (*path, "columns"), f"lacks the cursor, {json.dumps(incremental.cursor)}; take it too"
        )
    driver = source.connection.driver
    if source.batch_rows is not None and driver in DRIVERS and driver not in TAKES_BATCH_ROWS:
        yield Fault((*path, "batch_rows"), f"has no effect: {driver} cuts batches as it likes")


def _templates(
    source: DatabaseSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    for key in ("query", "where"):
        text = getattr(source, key)
        here = (*path, key)
        try:
            names = uses(text)
            if text is not None:
                render(text, {**dict.fromkeys(names, "0"), "run_date": date(2025, 1, 15)})
        except (ConfigError, ValueError) as exc:
            yield Fault(here, exc.message if isinstance(exc, ConfigError) else "no strftime format")
            continue
        if text is not None:
            yield from _brackets(source, text, here)
        for name in sorted(names - _KNOWN):
            yield Fault(
                here, f"{{{name}}} is unknown here; known are {{run_date}}, {{low}}, {{high}}"
            )
        if names & {"low", "high"} and incremental is None:
            name = min(names & {"low", "high"})
            yield Fault(here, f'{{{name}}} needs load = "incremental" and its table')


def _brackets(source: DatabaseSourceConfig, text: str, path: KeyPath) -> Iterator[Fault]:
    is_bound = isinstance(source, AdbcSourceConfig)
    driver = source.connection.driver if isinstance(source, AdbcSourceConfig) else "postgresql"
    if (fault := bracket_fault(text, driver)) is not None:
        yield Fault(path, f"{fault}; it stands in brackets of its own, and must not leave them")
    elif is_inside("text", _PLACEHOLDER, text, driver):
        yield Fault(
            path, "has a placeholder between quotes, where it is text; leave the quotes out"
        )
    elif is_bound and is_inside("comment", _PLACEHOLDER, text, driver):
        yield Fault(
            path, "has a placeholder in a comment, where no value can be bound; leave it out"
        )


def _incremental(
    source: DatabaseSourceConfig, incremental: Incremental, path: KeyPath
) -> Iterator[Fault]:
    for key in _HTTP_ONLY:
        if getattr(incremental, key) is not None:
            yield Fault((*path, key), "is for HTTP only; a database is asked for the window in SQL")
    if incremental.cursor_type == "xid8" and not isinstance(source, PostgresSourceConfig):
        yield Fault((*path, "cursor_type"), '"xid8" is for Postgres only')


def _schema(schema: SchemaConfig, path: KeyPath) -> Iterator[Fault]:
    usual = SchemaConfig()
    for key, reason in (
        ("raw", "rows of a database come as values, not as text that could be kept"),
        ("nested", "rows of a database are flat: JSON columns land as the text that they are"),
        ("flatten", "rows of a database are flat: JSON columns land as the text that they are"),
        ("on_drift", "a database's columns have types, and no value of another"),
    ):
        if getattr(schema, key) != getattr(usual, key):
            yield Fault((*path, key), f"has no effect here: {reason}; leave it out")
