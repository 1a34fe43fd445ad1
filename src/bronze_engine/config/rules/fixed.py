"""What a well-typed [….source.fixed] may still get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from bronze_engine.config.files.encodings import is_utf8, keeps_ascii, single_bytes
from bronze_engine.config.files.fixed import FixedField, FixedFiles, FixedMatch
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.model.nearest import nearest

__all__ = ["fixed_faults"]


def fixed_faults(form: FixedFiles, path: KeyPath, *, keeps_lines: bool) -> Iterator[Fault]:
    """Faults of the fields, the kinds of records, and what they take from each other."""
    if bool(form.fields) == bool(form.records):
        yield Fault(
            path,
            "says both fields and records; leave one of the two out"
            if form.fields
            else "needs fields, or for files with several kinds of records [….fixed.records.NAME]",
        )
        return
    yield from _encoding(form, path)
    if keeps_lines and not is_utf8(form.encoding):
        yield Fault((*path, "encoding"), "must be utf-8 for schema.raw, which keeps lines as texts")
    end = form.record_length or form.line_length
    limit = "record_length" if form.record_length else "line_length"
    for name, fields, here in _field_lists(form, path):
        yield from _fields(fields, here, end, limit)
        if not fields and name == form.land:
            yield Fault(here, "has none, and it is what lands")
    yield from _records(form, path)


def _encoding(form: FixedFiles, path: KeyPath) -> Iterator[Fault]:
    if not is_utf8(form.encoding) and single_bytes(form.encoding) is None:
        yield Fault(
            (*path, "encoding"),
            f"{form.encoding!r} is neither UTF-8 nor an encoding of one byte a character; known are"
            " utf-8, cp1252, latin-1, cp037, cp500 and what Python calls others",
        )
    elif form.record_length is None and not keeps_ascii(form.encoding):
        yield Fault(
            (*path, "record_length"),
            f"is missing: {form.encoding} has no line ends; write how many bytes a record has",
        )
    if form.record_length is not None:
        for key in ("line_length", "on_long"):
            if getattr(form, key) != getattr(FixedFiles(), key):
                yield Fault((*path, key), "is for lines, and record_length is for files without")
        if form.widths == "characters" and is_utf8(form.encoding):
            yield Fault((*path, "widths"), '"characters" is for lines; record_length counts bytes')


def _fields(
    fields: Sequence[FixedField], path: KeyPath, end: int | None, limit: str
) -> Iterator[Fault]:
    names: set[str] = set()
    at = 0
    for place, field in enumerate(fields):
        here = (*path, str(place))
        if not field.name or field.name in names:
            yield Fault((*here, "name"), f"{field.name!r} is empty, or the name of another field")
        names.add(field.name)
        at = (at if field.start is None else field.start - 1) + field.width
        if end is not None and at > end:
            yield Fault((*here, "width"), f"ends at {at}, past {limit} = {end}")
        if field.pad is not None and (len(field.pad) != 1 or not field.pad.isascii()):
            yield Fault((*here, "pad"), "must be one character of ASCII")


def _records(form: FixedFiles, path: KeyPath) -> Iterator[Fault]:
    if not form.records:
        for key in ("land", "carry", "checks"):
            if getattr(form, key):
                yield Fault((*path, key), "is for files with several kinds of records")
        if form.on_unknown != "reject":
            yield Fault((*path, "on_unknown"), "is for files with several kinds of records")
        return
    if form.land is None:
        yield Fault((*path, "land"), f"is missing: which of {_listed(form.records)} lands")
    elif form.land not in form.records:
        yield Fault((*path, "land"), _unknown(form.land, form.records))
    others = [name for name, record in form.records.items() if record.when is None]
    if len(others) > 1:
        yield Fault(
            (*path, "records", others[1], "when"),
            f'is missing, and "{others[0]}" is already the kind of all that are of no other',
        )
    if others and form.on_unknown != "reject":
        yield Fault((*path, "on_unknown"), f'has no effect: all others are of kind "{others[0]}"')
    for name, record in form.records.items():
        if record.when is not None:
            yield from _match(record.when, (*path, "records", name, "when"))
    yield from _carry(form, path)
    yield from _checks(form, path)


def _match(when: FixedMatch, path: KeyPath) -> Iterator[Fault]:
    codes = when.codes
    if not codes or not codes[0]:
        yield Fault((*path, "equals"), "is empty; write the code, or leave `when` out for the rest")
    elif when.width is not None and max(map(len, codes)) > when.width:
        yield Fault((*path, "equals"), f"has a code longer than width = {when.width}")


def _carry(form: FixedFiles, path: KeyPath) -> Iterator[Fault]:
    landing = form.records.get(form.land or "")
    own = {field.name for field in landing.fields} if landing is not None else set()
    for column, text in form.carry.items():
        here = (*path, "carry", column)
        if column in own:
            yield Fault(here, f'is the name of a field of "{form.land}" too; write another')
        fault = _no_field(form, text)
        if fault is not None:
            yield Fault(here, fault)
        elif text.partition(".")[0] == form.land:
            yield Fault(here, f'"{form.land}" is what lands; take a field of another kind')


def _checks(form: FixedFiles, path: KeyPath) -> Iterator[Fault]:
    for place, check in enumerate(form.checks):
        here = (*path, "checks", str(place))
        if (check.count is None) == (check.sum is None):
            yield Fault(here, "needs one of `count` and `sum`")
        for key, text in (("total", check.total), ("sum", check.sum)):
            fault = None if text is None else _no_field(form, text)
            if fault is not None:
                yield Fault((*here, key), fault)
        for key, name in (("count", check.count), ("since", check.since)):
            if name is not None and name not in form.records:
                yield Fault((*here, key), _unknown(name, form.records))


def _no_field(form: FixedFiles, text: str) -> str | None:
    """What is wrong with "kind.field"; None where it is there."""
    name, _, field = text.partition(".")
    record = form.records.get(name)
    if record is None:
        return _unknown(name, form.records)
    known = [each.name for each in record.fields]
    return None if field in known else _unknown(field, known)


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"{json.dumps(name)} is unknown; {nearest(name, known)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "none"


def _field_lists(
    form: FixedFiles, path: KeyPath
) -> Iterator[tuple[str | None, Sequence[FixedField], KeyPath]]:
    yield None, form.fields, (*path, "fields")
    for name, record in form.records.items():
        yield name, record.fields, (*path, "records", name, "fields")
