"""What a well-typed source of files may still get wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from bronze_engine.config.files.source import MODIFIED, FilesSourceConfig
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.csv_files import csv_faults, flat_schema_faults
from bronze_engine.config.rules.excel import excel_faults
from bronze_engine.config.rules.fixed import fixed_faults
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.template import render, uses
from bronze_engine.errors import ConfigError
from bronze_engine.model.layout import EXTRA_COLUMN, RAW_COLUMN, STAMP_COLUMNS

__all__ = ["files_source_faults"]

_NOT_OF_FILES: Final = (
    ("step", "the window is cut by files"),
    ("steps_per_slice", "the window is cut by files"),
    ("lookback", "files that appear late are known by not having landed"),
    ("start_param", "is for HTTP APIs only"),
    ("end_param", "is for HTTP APIs only"),
    ("format", "is for HTTP APIs only"),
)
_TABLES: Final = {"csv": ("csv", "tsv"), "fixed": ("fixed",), "excel": ("excel",)}
"""Tables of the source, and the formats that they are for."""
_WITH_TYPES: Final = ("parquet", "arrow")
_ZIP_ONLY: Final = ("auto", "zip")
_RESERVED: Final = frozenset({*STAMP_COLUMNS, EXTRA_COLUMN, RAW_COLUMN})
_CURSORS: Final = ("timestamp", "date", "integer", "text")


def files_source_faults(
    pipeline: Pipeline, source: FilesSourceConfig, path: KeyPath
) -> Iterator[Fault]:
    """Faults of a source, and of what else of its pipeline does not fit files."""
    here = (*path, "source")
    if not source.urls:
        yield Fault((*here, "url"), "is empty; write a path, a glob, or a URL")
    yield from _templates(source, here)
    yield from _tables(source, here, keeps_lines=pipeline.schema.raw)
    groups: frozenset[str] = frozenset()
    if source.name_pattern is not None:
        try:
            groups = frozenset(re.compile(source.name_pattern).groupindex)
        except re.error as exc:
            yield Fault((*here, "name_pattern"), f"is no regular expression: {exc}")
            return
    if source.file_column is not None and source.file_column in _RESERVED:
        yield Fault((*here, "file_column"), "is a name of the engine's own; choose another")
    elif source.file_column == "":
        yield Fault((*here, "file_column"), "is empty; leave it out for no such column")
    if source.max_document_bytes <= 0:
        yield Fault((*here, "max_document_bytes"), "must be above zero")
    if pipeline.incremental is None:
        if source.on_changed != "warn":
            yield Fault(
                (*here, "on_changed"), 'has no effect without load = "incremental"; leave it out'
            )
    else:
        yield from _incremental(pipeline.incremental, groups, (*path, "incremental"))
        if source.on_changed == "read" and not pipeline.primary_key:
            yield Fault(
                (*here, "on_changed"),
                '"read" lands rows that have landed before; set the pipeline\'s primary_key, by'
                " which whoever reads the partitions tells them apart",
            )
    yield from csv_faults(source.csv, (*here, "csv"))
    if source.format in ("csv", "tsv"):
        yield from flat_schema_faults(pipeline.schema, source.format, (*path, "schema"))
    if source.format in _WITH_TYPES:
        yield from _schema(pipeline.schema, source.format, (*path, "schema"))


def _templates(source: FilesSourceConfig, path: KeyPath) -> Iterator[Fault]:
    for url in source.urls:
        try:
            names = uses(url)
            render(url, {**dict.fromkeys(names, "0"), "run_date": date(2025, 1, 15)})
        except (ConfigError, ValueError) as exc:
            yield Fault(
                (*path, "url"),
                exc.message if isinstance(exc, ConfigError) else "no strftime format",
            )
            continue
        for name in sorted(names - {"run_date"}):
            yield Fault((*path, "url"), f"{{{name}}} is unknown here; known is {{run_date}}")


def _tables(source: FilesSourceConfig, path: KeyPath, *, keeps_lines: bool) -> Iterator[Fault]:
    """Keys that are of another format than the one that is read."""
    usual = FilesSourceConfig(url="", format="csv")
    for key, formats in _TABLES.items():
        if source.format not in formats and getattr(source, key) != getattr(usual, key):
            names = " or ".join(map(json.dumps, formats))
            yield Fault((*path, key), f"is for format = {names}")
    if source.format == "fixed" and source.fixed is None:
        yield Fault((*path, "fixed"), "is missing; it says where the fields stand")
    elif source.fixed is not None:
        yield from fixed_faults(source.fixed, (*path, "fixed"), keeps_lines=keeps_lines)
    yield from excel_faults(source.excel, (*path, "excel"))
    if source.format != "json" and source.records is not None:
        yield Fault((*path, "records"), 'is for format = "json"')
    is_json = source.format in ("json", "ndjson")
    if not is_json and source.max_document_bytes != usual.max_document_bytes:
        yield Fault((*path, "max_document_bytes"), 'is for format = "json" or "ndjson"')
    if source.compression not in _ZIP_ONLY and source.member != usual.member:
        yield Fault((*path, "member"), "is for ZIP archives")
    if source.api is not None and any("://" in url for url in source.urls):
        origin = source.api.base_url.split("/")[:3]
        for url in source.urls:
            if "://" in url and url.split("/")[:3] != origin:
                yield Fault(
                    (*path, "url"), "is on another origin than the base_url of `api`; leave it out"
                )


def _incremental(
    incremental: Incremental, groups: frozenset[str], path: KeyPath
) -> Iterator[Fault]:
    for key, reason in _NOT_OF_FILES:
        if getattr(incremental, key) is not None:
            yield Fault((*path, key), f"has no effect on files: {reason}; leave it out")
    if not incremental.low_open:
        yield Fault((*path, "low_open"), "is for databases only")
    if incremental.cursor_type not in _CURSORS:
        yield Fault((*path, "cursor_type"), f'"{incremental.cursor_type}" is for Postgres only')
    if incremental.cursor == MODIFIED:
        if incremental.cursor_type != "timestamp":
            yield Fault((*path, "cursor_type"), f'"{MODIFIED}" is a timestamp')
        if incremental.cursor_timezone is not None:
            yield Fault((*path, "cursor_timezone"), f'"{MODIFIED}" has an offset')
        return
    if incremental.cursor not in groups:
        known = ", ".join(json.dumps(name) for name in sorted(groups))
        yield Fault(
            (*path, "cursor"),
            f'files are new by "{MODIFIED}", or by a group of source.name_pattern, written'
            f" (?P<{incremental.cursor if incremental.cursor.isidentifier() else 'day'}>…)"
            + (f"; there {'is' if len(groups) == 1 else 'are'} {known}" if known else ""),
        )
    if incremental.lag is not None:
        yield Fault((*path, "lag"), f'is for cursor = "{MODIFIED}"')


def _schema(schema: SchemaConfig, form: str, path: KeyPath) -> Iterator[Fault]:
    usual = SchemaConfig()
    for key in ("raw", "nested", "flatten"):
        if getattr(schema, key) != getattr(usual, key):
            yield Fault(
                (*path, key), f'has no effect: the columns of "{form}" have types; leave it out'
            )
