"""ZIP archives, from their ends and from the ranges of their members."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import pytest

from bronze_engine.sources.files.archive import (
    TAIL_BYTES,
    Member,
    MemberInflater,
    members_of,
    tail_start,
)

pytestmark = pytest.mark.unit

NOISE = random.Random(2).randbytes(200_000)  # no secret


def archive(method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"", **files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zipped:
        zipped.comment = comment
        zipped.mkdir("folder")
        for name, data in files.items():
            zipped.writestr(f"folder/{name}.csv", data)
    return out.getvalue()


def members(data: bytes) -> list[Member]:
    tail = data[-TAIL_BYTES:]
    start = tail_start(tail, len(data))
    return members_of(data[min(start, len(data) - len(tail)) :], len(data))


def unpacked(data: bytes, member: Member, step: int = 999) -> bytes:
    inflater = MemberInflater(member)
    out = bytearray()
    span = data[member.offset : member.offset + member.span_bytes]
    for at in range(0, len(span), step):
        out += b"".join(inflater.feed(span[at : at + step]))
        if inflater.is_done:
            break
    inflater.finish()
    return bytes(out)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("step", [1, 999, 1 << 20])
def test_members_are_unpacked_from_their_ranges(method: int, step: int) -> None:
    files = {"one": b"a,b\n1,2\n" * 50, "two": b"", "three": NOISE[: 3000 if step == 1 else None]}
    data = archive(method, **files)
    found = {member.name: unpacked(data, member, step) for member in members(data)}
    assert found == {f"folder/{name}.csv": body for name, body in files.items()}


def test_a_member_of_many_equal_bytes_comes_in_pieces() -> None:
    data = archive(one=bytes(5_000_000))
    (member,) = members(data)
    inflater = MemberInflater(member)
    span = data[member.offset : member.offset + member.span_bytes]
    sizes = [len(piece) for piece in inflater.feed(span)]
    inflater.finish()
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= 1 << 20


def test_a_comment_may_hold_what_looks_like_an_end() -> None:
    data = archive(comment=b"x" * 30_000, one=b"1")
    assert [member.name for member in members(data)] == ["folder/one.csv"]


def test_zip64_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped, zipped.open("a.csv", "w", force_zip64=True) as file:
        file.write(b"1\n")
    data = _with_zip64_end(out.getvalue())
    (member,) = members(data)
    assert unpacked(data, member) == b"1\n"


def _with_zip64_end(data: bytes) -> bytes:
    """The archive with the end records that one of more than 65,535 members has."""
    end = data.rfind(b"PK\x05\x06")
    count, size, offset = struct.unpack_from("<HLL", data, end + 10)
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    plain = struct.pack(
        "<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0
    )
    return data[:end] + end64 + locator + plain


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_missing_end_is_told(cut: int) -> None:
    data = archive(one=NOISE)
    with pytest.raises(ValueError, match=r"end|cut off|elsewhere|File|zip"):
        members(data[:-cut])


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(archive(one=b"1,2"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(ValueError, match="encrypted, which is not supported"):
        members(bytes(data))


def test_an_unknown_method_is_refused() -> None:
    data = bytearray(archive(one=b"1,2"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 10] = 93
    with pytest.raises(ValueError, match="compressed by method 93"):
        members(bytes(data))


def test_a_flipped_bit_is_told() -> None:
    data = bytearray(archive(zipfile.ZIP_STORED, one=NOISE))
    (member,) = members(bytes(data))
    data[member.offset + 5000] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        unpacked(bytes(data), member)
