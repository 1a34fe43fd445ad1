"""What a well-typed source may still get wrong about its records and their format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import msgspec

from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.config.http.envelope import parse_envelope_path
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    NextUrlPaginator,
)
from bronze_engine.config.http.selector import parse_selector
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.dotted import is_dotted
from bronze_engine.config.source import HttpSourceConfig

__all__ = ["record_faults"]

_BODY_PAGINATORS: Final = (AutoPaginator, CursorPaginator, NextUrlPaginator, GraphqlPaginator)
_OBJECTS_ONLY: Final = ("records", "single_record", "record_set", "envelope")


def record_faults(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    """Faults of records, record_set, envelope, record_kind, record_keys, format and csv."""
    if source.format == "json":
        yield from _records(source, path)
    else:
        yield from _lines_only(source, path)
    yield from _joined(source, path)
    yield from _kind(source, path)
    if source.csv is not None:
        if source.format == "csv":
            yield from _csv(source.csv, (*path, "csv"))
        else:
            yield Fault((*path, "csv"), 'is for format = "csv" only')


def _records(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    here = (*path, "records")
    paths = source.records
    if isinstance(paths, str):
        paths = [paths]
    elif paths is not None and not paths:
        yield Fault(here, "is an empty list; write the paths, or leave it out")
    for text in paths or []:
        yield from _path(text, here)
    if paths and len(set(paths)) < len(paths):
        yield Fault(here, "names a path twice")
    if source.record_set is not None and len(paths or []) < 2:
        yield Fault(
            (*path, "record_set"), "tells record sets apart; give `records` a list of paths"
        )


def _path(text: str, here: KeyPath) -> Iterator[Fault]:
    if text.startswith("$"):
        try:
            parse_selector(text)
        except ValueError as exc:
            yield Fault(here, f"{json.dumps(text)}: {exc}")
    elif not is_dotted(text):
        way = "; a JSONPath begins with $: $.data[0].items" if "[" in text else ""
        yield Fault(here, f"{json.dumps(text)} is no dotted path; write data.items{way}")


def _lines_only(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    for key in _OBJECTS_ONLY:
        if getattr(source, key):
            yield Fault((*path, key), f'is for format = "json": {source.format} has no body around')
    paginator = source.paginator
    here = (*path, "paginator")
    if isinstance(paginator, _BODY_PAGINATORS):
        yield Fault(
            (*here, "type"),
            f"reads what stands around the records, and {source.format} has nothing there; use "
            '"header_cursor", "link_header", "page", "offset" or "keyset"',
        )
        return
    for field in msgspec.structs.fields(paginator):
        if field.name.endswith("_path") and getattr(paginator, field.name) is not None:
            yield Fault(
                (*here, field.name),
                f'is for format = "json": {source.format} has nothing around its records',
            )


def _joined(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    """Columns that two places would fill."""
    taken: dict[str, str] = {}
    if source.record_kind == "value":
        taken["value"] = 'record_kind = "value"'
    elif source.record_kind == "array":
        taken |= dict.fromkeys(source.record_keys, "record_keys")
    joined = [((*path, "envelope", column), column) for column in source.envelope]
    joined += [((*path, "carry", column), column) for column in source.carry]
    if source.record_set is not None:
        joined.append(((*path, "record_set"), source.record_set))
    for here, column in joined:
        if not column:
            yield Fault(here, "is an empty name of a column")
        elif column in taken:
            yield Fault(here, f"is a column twice: {taken[column]} fills it too")
        taken[column] = str(here[len(path)])
    for column, text in source.envelope.items():
        try:
            parse_envelope_path(text)
        except ValueError as exc:
            yield Fault((*path, "envelope", column), str(exc))


def _kind(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    keys = source.record_keys
    if source.single_record and source.record_kind != "object":
        yield Fault((*path, "single_record"), 'is an object; leave record_kind at "object"')
    if source.record_kind != "array":
        if keys:
            yield Fault((*path, "record_keys"), 'names the elements of record_kind = "array"')
    elif not keys:
        yield Fault((*path, "record_keys"), 'is missing; record_kind = "array" needs the names')
    elif not all(keys) or len(set(keys)) < len(keys):
        yield Fault((*path, "record_keys"), "holds an empty name, or one twice")
    if source.format == "csv" and source.record_kind != "object":
        yield Fault((*path, "record_kind"), 'is for JSON: each line of format = "csv" is an object')


def _csv(csv: CsvFormat, path: KeyPath) -> Iterator[Fault]:
    if len(csv.delimiter) != 1 or not csv.delimiter.isascii() or csv.delimiter in "\r\n":
        yield Fault((*path, "delimiter"), 'must be one ASCII character, such as "," or "\\t"')
    if len(csv.quote) > 1 or not csv.quote.isascii() or csv.quote in ("\r", "\n"):
        yield Fault((*path, "quote"), 'must be one ASCII character, or "" for none')
    elif csv.quote == csv.delimiter:
        yield Fault((*path, "quote"), "is the delimiter too")
    if not all(csv.columns) or len(set(csv.columns)) < len(csv.columns):
        yield Fault((*path, "columns"), "holds an empty name, or one twice")
    if csv.encoding is not None and not _is_charset(csv.encoding):
        yield Fault(
            (*path, "encoding"),
            f'{json.dumps(csv.encoding)} is no encoding; write "utf-8", "latin-1", "utf-16" or '
            "another name that Python's codecs know",
        )


def _is_charset(name: str) -> bool:
    try:
        "a".encode(name)
    except LookupError:  # of "hex" and "zip" too, which are codecs of no text
        return False
    return True
