"""What a file holds, judged by its name and by how it begins. Pure: no I/O."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from bronze_engine.config.files.source import FileFormat
from bronze_engine.errors import ExtractError
from bronze_engine.sources.delimiters import DELIMITERS
from bronze_engine.sources.files.csv.foreign import wide_encoding
from bronze_engine.sources.files.csv.names import NO_NAME
from bronze_engine.sources.files.inflate import coding_of_bytes
from bronze_engine.sources.http.paging.record_list import find_records

__all__ = [
    "FileKind",
    "NamedDate",
    "date_in_names",
    "format_of_name",
    "kind_of",
    "members_of_kind",
    "packed_kind",
]

_ENDINGS: Final[dict[str, FileFormat]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
_PACKED: Final = re.compile(r"\.(?:gz|gzip|zst|zstd|bz2|xz|zip)$", re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMED: Final = frozenset({"cp1252", "utf-16-le", "utf-16-be"})
"""Encodings that nothing in a file tells for sure: csv.encoding says them."""
_RECORDS: Final = 200
"""Looked at to tell how lines are divided."""
_WORKBOOK: Final = (b"[Content_Types].xml", b"_rels/.rels", b"mimetypeapplication/vnd.oasis")
_DATES: Final = (
    r"\d{4}-\d{2}-\d{2}",
    r"\d{4}_\d{2}_\d{2}",
    r"(?<!\d)\d{8}(?!\d)",
)


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """How files are to be read."""

    format: FileFormat
    settings: dict[str, Any] = {}
    """More of [….source], beside its format."""
    facts: dict[str, str] = {}
    """What was seen, for people."""
    notes: tuple[str, ...] = ()


class NamedDate(msgspec.Struct, frozen=True, kw_only=True):
    """A date that each name has."""

    pattern: str
    """As `name_pattern` has it, with the group `day`."""
    first: str
    last: str


def format_of_name(name: str) -> FileFormat | None:
    """What the ending of a name says, behind that of its compression."""
    bare = _PACKED.sub("", name).lower()
    return next((kind for end, kind in _ENDINGS.items() if bare.endswith(end)), None)


def members_of_kind(names: Sequence[str]) -> str | None:
    """Which members of an archive are to be read, as `member` says it: those of the first
    format that a name tells, where others are beside them. None where it is all of them."""
    ends = [_ending(name) for name in names]
    first = next((end for end in ends if end is not None), None)
    return None if first is None or all(end == first for end in ends) else f"*{first}"


def _ending(name: str) -> str | None:
    """What tells the format of a name, with its compression."""
    found = re.search(r"(?:\.\w+)(?:\.(?:gz|gzip|zst|zstd|bz2|xz))?$", name, re.IGNORECASE)
    return found[0] if found is not None and format_of_name(name) is not None else None


def packed_kind(name: str, head: bytes) -> FileKind | None:
    """The kind of a file that has a compression of its own, or is an archive; None for others.

    `head` are its first bytes as they are stored.
    """
    named = format_of_name(name)
    if head.startswith(b"PAR1"):
        return FileKind(format="parquet")
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        form = "a file" if head.startswith(b"ARROW1") else "a stream"
        return FileKind(format="arrow", facts={"arrow": f"Arrow IPC, {form}"})
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return FileKind(format="excel")
    if coding_of_bytes(head) == "zip" and (
        named == "excel" or any(mark in head[:4096] for mark in _WORKBOOK)
    ):
        return FileKind(format="excel")
    return None


def kind_of(name: str, head: bytes, *, is_whole: bool) -> FileKind:
    """The kind of a text file; `head` are its first bytes, unpacked, all of them if `is_whole`.

    Raises ExtractError for what is no text, or none that can be told how to read.
    """
    text, encoding, notes = _decoded(name, head, is_whole=is_whole)
    named = format_of_name(name)
    facts = {"encoding": encoding}
    begin = text.lstrip()[:1]
    if begin == "{" and named not in ("csv", "tsv"):
        if named == "ndjson" or (named != "json" and _is_lines(text)):
            return FileKind(format="ndjson", facts=facts, notes=notes)
        return _document(name, text, facts, is_whole=is_whole)
    if begin == "[" and named not in ("csv", "tsv", "ndjson"):
        return FileKind(format="json", facts={**facts, "records": "the document is their list"})
    return _delimited(name, text, encoding, facts, notes, is_whole=is_whole)


def _decoded(name: str, head: bytes, *, is_whole: bool) -> tuple[str, str, tuple[str, ...]]:
    """The text, its encoding, and what is uncertain about it."""
    for mark, marked in _MARKS:
        if head.startswith(mark):
            text = codecs.getincrementaldecoder(marked)(errors="replace").decode(head)
            return text, f"{marked.removesuffix('-sig')}, by its byte order mark", ()
    wide = wide_encoding(head)
    if wide is not None and head.strip(b"\0 \r\n")[:1] not in (b"{", b"["):  # CSV may name it
        return codecs.getincrementaldecoder(wide)(errors="replace").decode(head), wide, ()
    if b"\0" in head:
        raise ExtractError(
            f"{name} is no text, and of no format that is known: Parquet, Arrow IPC, Excel; it"
            f" begins with {head[:8].hex(' ')}"
        )
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=is_whole)
        return text, "utf-8", ()
    except UnicodeDecodeError as exc:
        shown = f"byte {exc.start:,} is 0x{head[exc.start]:02x}, which is no UTF-8"
        note = f"{shown}: its encoding is taken for cp1252, look at the letters above 127"
        return head.decode("cp1252", errors="replace"), "cp1252", (note,)


def _is_lines(text: str) -> bool:
    """Whether the first line is a whole document, and what follows begins another."""
    lines = [line for line in text.splitlines()[:3] if line.strip()]
    try:
        msgspec.json.decode(lines[0])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return len(lines) == 1 or lines[1].lstrip().startswith("{")


def _document(name: str, text: str, facts: dict[str, str], *, is_whole: bool) -> FileKind:
    if not is_whole:
        raise ExtractError(
            f"{name} is one JSON document that is too large to be looked at; write it as NDJSON,"
            " or give the path of its list with --records"
        )
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise ExtractError(f"{name} begins as JSON and is none: {exc}") from None
    found = find_records(body, name)
    if found is None or found.path is None:
        return FileKind(format="json", facts={**facts, "records": "the document is one"})
    shown = f"{found.path}: {found.count:,}"
    return FileKind(
        format="json", settings={"records": found.path}, facts={**facts, "records": shown}
    )


def _delimited(
    name: str,
    text: str,
    encoding: str,
    facts: dict[str, str],
    notes: tuple[str, ...],
    *,
    is_whole: bool,
) -> FileKind:
    named = format_of_name(name)
    form: dict[str, Any] = {}
    comment = "#" if text.startswith("#") and not text.startswith("#,") else None
    if comment is not None:
        form["comment"] = comment
    delimiter, quote, rows, lines = _divided(text, comment, is_whole=is_whole)
    if delimiter is None:
        if named not in ("csv", "tsv"):
            raise ExtractError(_undivided(name, text))
        delimiter = "\t" if named == "tsv" else ","
        rows, lines = _rows(text, delimiter, quote, comment, is_whole=is_whole)
    if not rows:
        raise ExtractError(f"{name} has no lines to look at")
    width = Counter(map(len, rows)).most_common(1)[0][0]
    first = next(place for place, row in enumerate(rows) if len(row) == width)
    if first:
        form["skip_lines"] = skipped = lines[first - 1]
        facts |= {"before the names": f"{skipped} line{'' if skipped == 1 else 's'}"}
    kind: FileFormat = "tsv" if delimiter == "\t" else "csv"
    if delimiter not in (",", "\t"):
        form["delimiter"] = delimiter
    if quote != '"':
        form["quote"] = quote
    if encoding in _NAMED:
        form["encoding"] = encoding
    has_names = _are_names(rows[first])
    if not has_names:
        form["columns"] = [f"column_{place}" for place in range(1, width + 1)]
        notes = (*notes, "its first line holds no names: csv.columns names the columns; mend them")
    form["types"] = "infer"
    shown = {"\t": "tab", "\x1f": "0x1f"}.get(delimiter, delimiter)
    facts |= {"delimiter": shown, "quote": quote, "names": "first line" if has_names else "none"}
    return FileKind(format=kind, settings={"csv": form}, facts=facts, notes=notes)


def _divided(
    text: str, comment: str | None, *, is_whole: bool
) -> tuple[str | None, str, list[list[str]], list[int]]:
    """The delimiter and the quote by which most records have as many fields, and the records."""
    best: tuple[tuple[float, int], str, str, list[list[str]], list[int]] | None = None
    for delimiter in DELIMITERS:
        for quote in ('"', "'"):
            begins = rf"(?:^|{re.escape(delimiter)})'"
            if quote == "'" and not re.search(begins, text, re.MULTILINE):
                continue
            rows, lines = _rows(text, delimiter, quote, comment, is_whole=is_whole)
            if not rows:
                continue
            width, count = Counter(map(len, rows)).most_common(1)[0]
            share = round(count / len(rows), 1)
            if width > 1 and share >= 0.6 and (best is None or (share, width) > best[0]):
                best = ((share, width), delimiter, quote, rows, lines)
    return (None, '"', [], []) if best is None else best[1:]


def _rows(
    text: str, delimiter: str, quote: str, comment: str | None, *, is_whole: bool
) -> tuple[list[list[str]], list[int]]:
    """The first records, and the line that each ends with; without one that may be cut off."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row or (comment is not None and row[0].startswith(comment)):
                continue
            rows.append(row)
            lines.append(reader.line_num)
            if len(rows) > _RECORDS:
                break
    except csv.Error:
        pass  # a field without end: what came before it counts
    if not is_whole or len(rows) > _RECORDS:
        rows, lines = rows[:-1] or rows, lines[:-1] or lines
    return rows, lines


def _are_names(row: Sequence[str]) -> bool:
    """Whether it may be a line of names; some may be missing, or stand there twice."""
    return any(cell.strip() for cell in row) and not any(map(NO_NAME.fullmatch, row))


def _undivided(name: str, text: str) -> str:
    lines = [line for line in text.splitlines()[:-1] if line]
    if len(lines) > 1 and len(set(map(len, lines))) == 1:
        return (
            f"{name}: all its lines have {len(lines[0]):,} characters, so it may be fixed-width;"
            ' where its fields stand can\'t be told: write format = "fixed" and source.fixed.fields'
        )
    return (
        f"{name}: nothing divides its lines alike; it is no CSV, or its delimiter is unusual:"
        " write the pipeline with csv.delimiter"
    )


def date_in_names(names: Sequence[str]) -> NamedDate | None:
    """The one date that every name has, written alike in all."""
    for form in _DATES:
        found = [_days(re.findall(form, name)) for name in names]
        if found and all(len(days) == 1 for days in found):
            days = sorted(day for each in found for day in each)
            return NamedDate(
                pattern=f"(?P<day>{form})", first=days[0].isoformat(), last=days[-1].isoformat()
            )
    return None


def _days(texts: Sequence[str]) -> list[date]:
    return list(_valid(texts))


def _valid(texts: Sequence[str]) -> Iterator[date]:
    for text in texts:
        try:
            yield date.fromisoformat(text.replace("_", "-"))
        except ValueError:
            continue
