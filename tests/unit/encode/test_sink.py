"""Whatever is written in whatever pieces, the parts are the same."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.encode.sink import PartSink, part_size
from bronze_engine.model.part import Part

pytestmark = pytest.mark.unit


@given(pieces=st.lists(st.binary(max_size=40), max_size=30), part_bytes=st.integers(1, 50))
def test_parts_depend_on_the_bytes_alone(pieces: list[bytes], part_bytes: int) -> None:
    sink = PartSink(part_bytes)
    parts: list[Part] = []
    for piece in pieces:
        assert sink.write(piece) == len(piece)
        parts += sink.take()
    last, file = sink.end(name="x", row_count=1)
    parts += last
    whole = b"".join(pieces)
    assert [part.data for part in parts] == [
        whole[at : at + part_bytes] for at in range(0, len(whole), part_bytes)
    ]
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert [part.offset for part in parts] == list(range(0, len(whole), part_bytes))
    assert all(part.crc32 == zlib.crc32(part.data) for part in parts)
    assert (file.size_bytes, file.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert sink.size_bytes == sink.tell() == len(whole)


def test_a_buffer_may_be_used_again_after_it_is_written() -> None:
    sink = PartSink(8)
    buffer = bytearray(b"first")
    sink.write(buffer)
    buffer[:] = b"other"
    sink.write(memoryview(buffer))
    parts, file = sink.end(name="x", row_count=1)
    assert b"".join(part.data for part in parts) == b"firstother"
    assert file.sha256 == hashlib.sha256(b"firstother").hexdigest()


def test_parts_grow_so_that_ten_thousand_hold_terabytes() -> None:
    sizes = [part_size(number, 8 * 1024**2) for number in (1, 1000, 1001, 2001, 10_000)]
    assert [size // 1024**2 for size in sizes] == [8, 8, 16, 32, 8 * 512]
    sink = PartSink(1)
    sink.write(bytes(1003))
    parts, _ = sink.end(name="x", row_count=1)
    assert [len(part.data) for part in parts[-3:]] == [1, 2, 1]
