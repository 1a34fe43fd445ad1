"""Files of zstd frames: read back in pieces of any size, by us and by every other reader."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.model.frames import FrameReader, frame

pytestmark = pytest.mark.unit


def found_in(reader: FrameReader, piece: bytes) -> list[bytes]:
    reader.feed(piece)
    return list(iter(reader.take, None))


CONTENTS = st.binary(max_size=300) | st.builds(
    bytes.__mul__, st.binary(min_size=1, max_size=3), st.integers(0, 200_000)
)


@given(st.lists(CONTENTS, max_size=4), st.integers(1, 5000))
def test_what_was_written_comes_back_in_pieces_of_any_size(
    contents: list[bytes], size: int
) -> None:
    data = b"".join(map(frame, contents))
    reader = FrameReader()
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    found = [content for piece in pieces for content in found_in(reader, piece)]
    reader.end()
    assert found == contents


def test_any_zstd_reader_reads_the_file_whole() -> None:
    data = frame(b"one\n") + frame(b"two\n" * 100_000)
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        assert stream.read() == b"one\n" + b"two\n" * 100_000


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 9, 12])
def test_a_file_that_was_cut_off_is_refused_at_its_end(cut: int) -> None:
    reader = FrameReader()
    assert found_in(reader, frame(b"some content")[:-cut]) == []
    with pytest.raises(ValueError, match="it ends"):
        reader.end()


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no file of zstd frames"):
        found_in(FrameReader(), b'{"page": 1}')
    with pytest.raises(ValueError, match="no file of zstd frames"):
        found_in(FrameReader(), frame(b"x") + b"{")


def test_a_damaged_frame_is_refused() -> None:
    damaged = bytearray(frame(bytes(range(256)) * 20))
    damaged[5] ^= 0xFF  # the size of its content
    with pytest.raises(ValueError, match="damaged"):
        found_in(FrameReader(), bytes(damaged))


def test_a_frame_that_hides_its_size_is_refused() -> None:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(b"x")
        stream.flush()
        stream.write(b"y")
    with pytest.raises(ValueError, match="how large"):
        found_in(FrameReader(), sink.getvalue().to_pybytes())
