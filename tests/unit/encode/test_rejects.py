"""The quarantine file keeps the exact bytes of every record."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import weakref
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.encode.rejects import RejectsEncoder
from bronze_engine.model.block import Reject

pytestmark = pytest.mark.unit


def reject(raw: bytes, offset: int = 0) -> Reject:
    return Reject(reason="not JSON", page=7, offset=offset, raw=raw)


def lines(data: bytes) -> list[dict[str, Any]]:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def test_lines_say_where_why_and_what() -> None:
    encoder = RejectsEncoder("q.jsonl.zst")
    parts = [*encoder.write([reject(b'{"a": "\xc3\xa9\n"', 3)]), *encoder.write([reject(b"\xff")])]
    last, file = encoder.finish()
    data = b"".join(part.data for part in [*parts, *last])
    assert lines(data) == [
        {"page": 7, "offset": 3, "reason": "not JSON", "raw": '{"a": "é\n"'},
        {
            "page": 7,
            "offset": 0,
            "reason": "not JSON",
            "raw_base64": base64.b64encode(b"\xff").decode(),
        },
    ]
    assert (file.name, file.row_count, file.size_bytes) == ("q.jsonl.zst", 2, len(data))
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert encoder.bytes_written == len(data)
    assert encoder.rows_written == 2


def test_a_large_quarantine_leaves_in_parts() -> None:
    encoder = RejectsEncoder("q", part_bytes=1024)
    rejects = [reject(hashlib.sha256(str(i).encode()).hexdigest().encode(), i) for i in range(9000)]
    parts = list(encoder.write(rejects))
    last, file = encoder.finish()
    parts += last
    assert {len(part.data) for part in parts[:-1]} == {1024}
    assert len(lines(b"".join(part.data for part in parts))) == file.row_count == 9000


def test_an_abandoned_encoder_is_gone() -> None:
    encoder = RejectsEncoder("q")
    encoder.write([reject(b"x")])
    trace = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert trace() is None


def test_an_empty_quarantine_is_a_file() -> None:
    last, file = RejectsEncoder("q").finish()
    assert file.row_count == 0
    assert lines(b"".join(part.data for part in last)) == []
