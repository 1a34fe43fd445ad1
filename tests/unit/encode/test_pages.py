"""Files of captured pages: what is written is what a zstd reader finds, counted by pages."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from bronze_engine.encode.pages import PagesEncoder

pytestmark = pytest.mark.unit


def test_lines_come_back_whole_with_size_hash_and_count() -> None:
    encoder = PagesEncoder("_pages/x", part_bytes=16)
    parts = [*encoder.write(b"one\ntwo\n"), *encoder.write(b"a long "), *encoder.write(b"line\n")]
    last, file = encoder.finish()
    body = b"".join(part.data for part in [*parts, *last])
    with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
        assert stream.read() == b"one\ntwo\na long line\n"
    assert (file.name, file.row_count) == ("_pages/x", 3)
    assert (file.size_bytes, file.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert encoder.bytes_written == len(body)
    assert len(parts) > 1
