"""What the first answer of an inspection says: where its records are, how its pages follow."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa

from bronze_engine.errors import ExtractError
from bronze_engine.inspection.columns import columns_of, primary_key_of, values_of
from bronze_engine.inspection.look import Look
from bronze_engine.inspection.recorder import Answers
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.paging.detect import Detected, detect
from bronze_engine.sources.http.paging.record_list import RecordList, find_records

__all__ = ["first_json", "format_of", "leads_on", "missing_list", "verdict"]

_CSV: Final = frozenset({"text/csv", "application/csv"})
_NDJSON: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"}
)
_MOST_BYTES: Final = 64 * 1024**2
_SHOWN_KEYS: Final = 12
_LONGEST_KEY: Final = 64


def first_json(answers: Answers) -> Any:
    """The first answer, decoded; None where it is no JSON: its error is told by the run."""
    first = answers.first
    if first is None:
        return None
    try:
        return msgspec.json.decode(inflate(first.chunks, first.encoding, _MOST_BYTES))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ExtractError):
        return None


def verdict(answers: Answers, *, records: object, json: Any) -> Detected:
    """Detect by the first answer; `records` is their path or their list, None to look."""
    first = answers.first
    body = first_json(answers)
    known = records if isinstance(records, RecordList) else None
    if isinstance(records, str):
        known = find_records(body, "", records) or RecordList(records, 0, None)
    headers = {} if first is None else first.headers
    return detect("" if first is None else first.url, headers, body, json=json, records=known)


def format_of(answers: Answers) -> str | None:
    """The `format` of a first answer that is no JSON document: csv, ndjson, or None."""
    first = answers.first
    if first is None:
        return None
    kind = first.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _CSV:
        return "csv"
    lines = b"".join(first.chunks).split(b"\n", 2)
    is_lines = kind in _NDJSON or (len(lines) > 1 and all(_is_object(line) for line in lines[:2]))
    return "ndjson" if is_lines else None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def missing_list(body: Any) -> str:
    """What stands there in place of a list of records."""
    if not isinstance(body, dict):
        return "the answer holds no list of records; check the URL"
    names = ", ".join(f'"{name}"' for name in list(body)[:_SHOWN_KEYS] if len(name) < _LONGEST_KEY)
    return (
        f"the answer is one object without a list of records; its keys are {names}; check the URL, "
        "or write single_record = true into the pipeline where the object is the one record"
    )


def leads_on(seen: Look) -> bool:
    """Whether there was a second page, with none of the first one's records.

    A server that ignores a parameter may answer the same records in another order.
    """
    pages = [page for page in seen.pages if page.records]
    if len(pages) < 2:
        return False
    first = seen.table.slice(0, pages[0].records)
    second = seen.table.slice(pages[0].records)
    key = primary_key_of(columns_of(first), first.num_rows)
    names = seen.table.column_names if key is None else [key]
    before = set(_rows(first.select(names)))
    return all(row not in before for row in _rows(second.select(names)))


def _rows(table: pa.Table) -> list[str]:
    """A text for each row, of which equal rows have the same."""
    return list(map(repr, zip(*map(values_of, table.columns), strict=True)))
