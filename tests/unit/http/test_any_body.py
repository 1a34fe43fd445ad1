"""Whatever a server sends, reading it ends in records or in an error that says what is wrong."""

from __future__ import annotations

import contextlib
import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.blocks import Members
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.body.stream import CutBody

pytestmark = pytest.mark.unit

SHAPES: list[dict[str, Any]] = [
    {"records": None},
    {"records": "a.b", "fields": ["a.n", "n"], "last": "id"},
    {"records": ["a", "$.b[*]"], "record_set": "kind", "envelope": {"x": "n?", "y": "^.n?"}},
    {"records": "$..b[*]", "envelope": {"y": "^.n?"}, "null_records": "empty"},
    {"records": "a", "record_kind": "value", "keep_originals": True},
    {"records": None, "record_kind": "array", "record_keys": ["p", "q"], "keep_originals": True},
    {"records": None, "form": "ndjson", "last": "id"},
    {"records": None, "form": "ndjson", "record_kind": "array", "record_keys": ["p"]},
    {"records": None, "form": "csv", "types": {"a": "int64", "b": "json", "n": "bool"}},
    {"records": None, "form": "csv", "keep_originals": True},
]
PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b'"a"', b'"b"', b'"n"', b'"id"', b"1", b"-0.0",
    b"1e400", b"NaN", b"-Infinity", b"null", b"true", b'"\\ud800"', b"\n", b"\r\n", b" ", b"\t",
    b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"a,b,n\n", b"1,2,3\n", b'"x""y"',
    b'{"a": [{"id": 1}, 2], "b": [[1, 2]], "n": 3}', b'{"a": {"b": [{"id": 1}], "n": 2}}',
    b'{"\xff": 1, "a": [{"b": [1], "\xff": 2}]}', b'[{"\xff": 1}]', b"[[1],2]", b"<html>",
    gzip.compress(b"[1]"), b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    shape=st.sampled_from(SHAPES),
    pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12)
    | st.sampled_from(PIECES).map(lambda piece: [piece]),
    coding=st.sampled_from(["", "", "gzip", "zstd"]),
    kind=st.sampled_from(["", "application/json; charset=latin-1", "text/csv; charset=utf-16"]),
    carried=st.booleans(),
)
def test_any_bytes_are_records_or_an_error(
    shape: dict[str, Any], pieces: list[bytes], coding: str, kind: str, carried: bool
) -> None:
    members = Members.of({"parent": b"1"} if carried else {})
    with contextlib.suppress(ExtractError, PageError, CutBody):
        split = Shape(**shape).read(pieces, coding, 1024**2, members, kind)
        place = 0
        for lines in split.lines:
            assert lines.offset == place
            assert lines.data.count(b"\n") == lines.records
            assert lines.originals is None or len(lines.originals) == lines.records
            place += lines.records + len(lines.bad)
        assert place == split.records
