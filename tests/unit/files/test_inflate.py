"""Compressed streams: whole, or refused; and never more than a piece at once."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable

import pytest

from bronze_engine.sources.files.inflate import (
    PIECE_BYTES,
    Coding,
    coding_of_bytes,
    coding_of_name,
    make_inflater,
)

pytestmark = pytest.mark.unit

PACK: dict[Coding, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
NOISE = random.Random(1).randbytes(300_000)  # no secret


def unpacked(coding: Coding, data: bytes, step: int = 1000) -> bytes:
    inflater = make_inflater(coding)
    out = bytearray()
    for start in range(0, len(data), step):
        for piece in inflater.feed(data[start : start + step]):
            assert 0 < len(piece) <= PIECE_BYTES
            out += piece
    inflater.finish()
    return bytes(out)


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("coding", PACK)
def test_a_stream_is_unpacked_however_it_comes(coding: Coding, step: int) -> None:
    data = (b"id,name\n1,a\n" * 1000) if step < 4096 else NOISE
    assert unpacked(coding, PACK[coding](data), step) == data


@pytest.mark.parametrize("coding", PACK)
def test_streams_one_behind_the_other_are_one(coding: Coding) -> None:
    pack = PACK[coding]
    assert unpacked(coding, pack(b"one\n") + pack(b"") + pack(b"two\n")) == b"one\ntwo\n"


@pytest.mark.parametrize("coding", PACK)
def test_a_little_that_unfolds_to_much_comes_in_pieces(coding: Coding) -> None:
    data = bytes(5 * PIECE_BYTES + 17)
    assert unpacked(coding, PACK[coding](data), step=1 << 20) == data


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("cut", [1, 5, 9, 100])
def test_a_missing_end_is_told(coding: Coding, cut: int) -> None:
    packed = PACK[coding](NOISE)
    with pytest.raises(ValueError, match=r"end is missing|corrupt|invalid"):
        unpacked(coding, packed[:-cut])


@pytest.mark.parametrize("coding", PACK)
def test_nothing_at_all_is_told(coding: Coding) -> None:
    with pytest.raises(ValueError, match="empty"):
        make_inflater(coding).finish()


@pytest.mark.parametrize("coding", PACK)
def test_a_flipped_bit_is_told(coding: Coding) -> None:
    packed = bytearray(PACK[coding](NOISE))
    packed[len(packed) // 2] ^= 0x40
    with pytest.raises(ValueError, match=r"\S"):
        unpacked(coding, bytes(packed))


@pytest.mark.parametrize("coding", PACK)
def test_what_follows_a_stream_and_is_none_is_told(coding: Coding) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        unpacked(coding, PACK[coding](b"one\n") + b"garbage")


@pytest.mark.parametrize("coding", ["gzip", "xz"])
def test_zeros_behind_a_stream_are_padding(coding: Coding) -> None:
    assert unpacked(coding, PACK[coding](b"one\n") + bytes(512)) == b"one\n"


@pytest.mark.parametrize("coding", PACK)
def test_a_file_is_known_by_how_it_begins(coding: Coding) -> None:
    assert coding_of_bytes(PACK[coding](b"")[:6]) == coding


@pytest.mark.parametrize(
    ("name", "coding"),
    [("a.csv.GZ", "gzip"), ("a.zst", "zstd"), ("a.zip", "zip"), ("a.csv", "none"), ("gz", "none")],
)
def test_a_name_says_what_it_is(name: str, coding: Coding) -> None:
    assert coding_of_name(name) == coding
