"""What a well-typed [….source.csv] of files may still get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.schema import SchemaConfig

__all__ = ["csv_faults", "flat_schema_faults"]

_LINE_ENDS: Final = "\r\n"
_MOST_BYTES: Final = 1024**3


def csv_faults(form: CsvFiles, path: KeyPath) -> Iterator[Fault]:
    yield from _characters(form, path)
    if form.comment is not None:
        here = (*path, "comment")
        if not form.comment or any(end in form.comment for end in _LINE_ENDS):
            yield Fault(here, 'must be what a line begins with, such as "#"')
        elif form.quote and form.comment.startswith(form.quote):
            yield Fault(here, "begins with the quote: such a line begins with a quoted field")
    if not all(form.columns) or len(set(form.columns)) < len(form.columns):
        yield Fault((*path, "columns"), "holds an empty name, or one twice")
    if form.columns and form.repeated_header != "reject":
        yield Fault(
            (*path, "repeated_header"), "has no effect beside columns: there is no line of names"
        )
    for value in form.null_values:
        if form.trim and value != value.strip(" \t"):
            yield Fault(
                (*path, "null_values"),
                f"holds {json.dumps(value)}, whose blanks trim cuts off before it is looked for",
            )
        if form.escape and form.escape in value:
            yield Fault(
                (*path, "null_values"),
                f"holds {json.dumps(value)}, of which escape takes {json.dumps(form.escape)} before"
                " it is looked for; leave escape out, or write NULL another way",
            )
    if form.encoding is not None and not _is_charset(form.encoding):
        yield Fault(
            (*path, "encoding"),
            f'{json.dumps(form.encoding)} is no encoding; write "utf-8", "cp1252", "latin-1",'
            ' "utf-16" or another name that Python\'s codecs know',
        )
    if not 0 < form.max_record_bytes <= _MOST_BYTES:
        yield Fault((*path, "max_record_bytes"), "must be above zero, and at most 1GiB")


def _characters(form: CsvFiles, path: KeyPath) -> Iterator[Fault]:
    delimiter, quote, escape = form.delimiter, form.quote, form.escape
    if delimiter is not None and not _is_character(delimiter):
        yield Fault((*path, "delimiter"), 'must be one ASCII character, such as "," or "\\t"')
    if quote and not _is_character(quote):
        yield Fault((*path, "quote"), 'must be one ASCII character, or "" for none')
    elif quote == delimiter:
        yield Fault((*path, "quote"), "is the delimiter too")
    if not quote and not form.double_quotes:
        yield Fault((*path, "double_quotes"), 'has no effect where quote = ""; leave it out')
    if escape is None:
        return
    if not _is_character(escape):
        yield Fault((*path, "escape"), 'must be one ASCII character, such as "\\\\"')
    elif escape == delimiter:
        yield Fault((*path, "escape"), "is the delimiter too")
    elif escape == quote:
        yield Fault((*path, "escape"), "is the quote too, which double_quotes says already")


def _is_character(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text not in _LINE_ENDS


def flat_schema_faults(schema: SchemaConfig, form: str, path: KeyPath) -> Iterator[Fault]:
    """Keys of [….schema] that are about objects and lists, which records of texts have none of."""
    usual = SchemaConfig()
    for key in ("nested", "flatten"):
        if getattr(schema, key) != getattr(usual, key):
            yield Fault(
                (*path, key), f'has no effect: the values of "{form}" are texts; leave it out'
            )


def _is_charset(name: str) -> bool:
    try:
        "a".encode(name)
        b"a".decode(name, errors="ignore")
    except (LookupError, UnicodeError):  # of "hex" and "idna" too, codecs of no text or of names
        return False
    return True
