"""Bodies that are compressed, whatever their headers say."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.stream import BadStream, CutBody
from bronze_engine.sources.http.body.unzstd import unzstd
from bronze_engine.sources.http.status import excerpt
from bronze_engine.sources.http.wire.client import Answer

pytestmark = pytest.mark.unit

MEBIBYTE = 1024**2


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@given(parts=st.lists(st.binary(max_size=2000), min_size=1, max_size=3), size=st.integers(1, 500))
def test_zstd_frames_come_out_whole(parts: list[bytes], size: int) -> None:
    body = b"".join(map(zstd, parts))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert unzstd(chunks, MEBIBYTE) == b"".join(parts)


@given(data=st.binary(min_size=1, max_size=2000), cut=st.integers(1, 2000))
def test_a_zstd_stream_cut_anywhere_is_noticed(data: bytes, cut: int) -> None:
    body = zstd(data)
    with pytest.raises(CutBody):
        unzstd([body[: -min(cut, len(body))]], MEBIBYTE)


def test_what_is_no_zstd_is_refused() -> None:
    with pytest.raises(BadStream, match="no zstd"):
        unzstd([b"[1, 2]"], MEBIBYTE)
    with pytest.raises(BadStream, match="more than 999 bytes"):
        unzstd([zstd(b"x" * 1000)], 999)
    with pytest.raises(BadStream, match="as only a bomb does"):
        unzstd([zstd(bytes(64 * MEBIBYTE))], 1024**3)
    with pytest.raises(ExtractError, match="says that it is zstd, but"):
        inflate([b"[1, 2]"], "zstd", MEBIBYTE)


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
def test_a_file_that_is_compressed_is_unfolded_whatever_its_headers_say(
    compress: Any, coding: str
) -> None:
    file = compress(b"[1]")
    body = {"": file, "gzip": gzip.compress(file), "zstd": zstd(file)}[coding]
    assert inflate([body], coding, MEBIBYTE) == b"[1]"
    with pytest.raises(ExtractError, match=r"the body is a file of .*, and the .* was cut off"):
        inflate([file[:-1]], "", MEBIBYTE)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", b'{"message": "no such report"}'),
        ("gzip", gzip.compress(b'{"message": "no such report"}', mtime=0)),
        ("zstd", zstd(b'{"message": "no such report"}')),
    ],
)
def test_what_an_error_says_is_read_whatever_it_is_compressed_with(
    coding: str, body: bytes
) -> None:
    headers = {"content-encoding": coding} if coding else {}
    answer = Answer(status=404, headers=headers, url="https://shop.example", chunks=[body])
    assert excerpt(answer) == "no such report"
    assert not coding or excerpt(msgspec.structs.replace(answer, chunks=[body[:-9]])) == ""
