"""ZIP archives: their list of members, and one member as a stream (APPNOTE.TXT, 4.3 and 4.5).

The list stands at the end of an archive and is fetched by itself; a member is fetched as the
range that it takes. So an archive is never held, nor read as a whole for one of its members.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final, final

import msgspec

from bronze_engine.sources.files.inflate import PIECE_BYTES

__all__ = ["TAIL_BYTES", "Member", "MemberInflater", "members_of", "tail_start"]

TAIL_BYTES: Final = 22 + 65535 + 20 + 56
"""The end record with the longest comment, and before it those of ZIP64."""

_END: Final = b"PK\x05\x06"
_END64: Final = b"PK\x06\x06"
_LOCATOR64: Final = b"PK\x06\x07"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ENCRYPTED: Final = 0x1
_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
_ALL32: Final = 0xFFFFFFFF


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an archive."""

    name: str
    offset: int
    """Of its local header, from the archive's first byte."""
    span_bytes: int
    """What it may take from there: its header, whose length only itself tells, and its data."""
    packed_bytes: int
    size_bytes: int
    crc32: int
    method: int
    modified: datetime | None = None


def tail_start(tail: bytes, size_bytes: int) -> int:
    """Where the list of members begins, as the archive's last bytes tell.

    Raises ValueError where they are not those of a ZIP archive.
    """
    end = tail.rfind(_END)
    if end < 0:
        raise ValueError("it has no list of members at its end: it is no ZIP, or cut off")
    if len(tail) < end + 22:
        raise ValueError("its end is missing")
    listed_bytes, offset = struct.unpack_from("<2L", tail, end + 12)
    locator = end - 20
    if locator >= 0 and tail[locator : locator + 4] == _LOCATOR64:
        at = tail.rfind(_END64, 0, locator)
        if at < 0:
            raise ValueError("its ZIP64 end record is missing")
        listed_bytes, offset = struct.unpack_from("<2Q", tail, at + 40)
    elif _ALL32 in (listed_bytes, offset):
        raise ValueError("its ZIP64 end record is missing")
    if offset + listed_bytes > size_bytes:
        raise ValueError("its list of members is cut off")
    return int(offset)


def members_of(tail: bytes, size_bytes: int) -> list[Member]:
    """The members in the order of the archive's list; folders are none of them.

    `tail` begins where the list does, or before. Raises ValueError for an archive that is broken
    or has an encrypted member.
    """
    try:
        with zipfile.ZipFile(_Tail(tail, size_bytes)) as archive:
            listed = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError) as exc:
        raise ValueError(str(exc)) from None
    return [_member(info, size_bytes) for info in listed]


def _member(info: zipfile.ZipInfo, size_bytes: int) -> Member:
    if info.flag_bits & _ENCRYPTED:
        raise ValueError(f"{info.filename} is encrypted, which is not supported; unpack it before")
    if info.compress_type not in (_STORED, _DEFLATED, _BZIP2, _LZMA):
        raise ValueError(
            f"{info.filename} is compressed by method {info.compress_type}, which is not"
            " supported; pack it with deflate"
        )
    # The local header may have another extra field than the list: its length is not known yet.
    span = min(
        size_bytes - info.header_offset,
        _LOCAL.size + 2 * 0xFFFF + info.compress_size,
    )
    return Member(
        name=info.filename,
        offset=info.header_offset,
        span_bytes=span,
        packed_bytes=info.compress_size,
        size_bytes=info.file_size,
        crc32=info.CRC,
        method=info.compress_type,
    )


@final
class _Tail(io.RawIOBase):
    """The end of a file that is as long as it says; what comes before must not be read."""

    def __init__(self, tail: bytes, size_bytes: int) -> None:
        self._tail = tail
        self._size = size_bytes
        self._position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        at = self._position - (self._size - len(self._tail))
        if at < 0:
            raise zipfile.BadZipFile("its list of members lies elsewhere than it says")
        found = self._tail[at:] if size < 0 else self._tail[at : at + size]
        self._position += len(found)
        return found


@final
class MemberInflater:
    """Unpacks one member from the bytes that begin with its local header; checks size and CRC."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._header = b""
        self._skip: int | None = None
        self._left = member.packed_bytes
        self._size = 0
        self._crc = 0
        self._unpack = _unpacker(member)

    @property
    def is_done(self) -> bool:
        """Whether all packed bytes have come: what follows belongs to other members."""
        return self._skip == 0 and not self._left

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        if self._skip is None:
            self._header += data
            if len(self._header) < _LOCAL.size:
                return
            fields = _LOCAL.unpack_from(self._header)
            if fields[0] != b"PK\x03\x04":
                raise ValueError("its header is not where the list says")
            self._skip = _LOCAL.size + fields[9] + fields[10]
            data, self._header = self._header, b""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        packed = data[skipped : skipped + self._left]
        if not packed:
            return
        self._left -= len(packed)
        for piece in self._unpack.feed(packed):
            self._size += len(piece)
            if self._size > self._member.size_bytes:
                raise ValueError("it unfolds to more than the list says")
            self._crc = zlib.crc32(piece, self._crc)
            yield piece

    def finish(self) -> None:
        if self._left or self._skip != 0 or self._size != self._member.size_bytes:
            raise ValueError("its end is missing")
        if self._crc != self._member.crc32:
            raise ValueError("its checksum (CRC-32) is another than the list says")


class _Unpacker:
    """The pieces of one compressed stream without a frame around it."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data


@final
class _Deflated(_Unpacker):
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-15)

    def feed(self, data: bytes) -> Iterator[bytes]:
        is_full = False  # then output may be left, though all input was taken
        while (data or is_full) and not self._stream.eof:
            try:
                found = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as exc:
                raise ValueError(str(exc)) from None
            data = self._stream.unconsumed_tail
            is_full = len(found) == PIECE_BYTES
            if found:
                yield found


@final
class _Bounded(_Unpacker):
    """bz2, and lzma once its properties are known."""

    def __init__(self, stream: bz2.BZ2Decompressor | None) -> None:
        self._stream: bz2.BZ2Decompressor | lzma.LZMADecompressor | None = stream
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head += data
            if len(self._head) < 4:
                return
            length = struct.unpack_from("<H", self._head, 2)[0]
            if len(self._head) < 4 + length:
                return
            properties, data = self._head[4 : 4 + length], self._head[4 + length :]
            self._stream = _raw_lzma(properties)
        while not self._stream.eof and (data or not self._stream.needs_input):
            try:
                found = self._stream.decompress(data, PIECE_BYTES)
            except (OSError, lzma.LZMAError) as exc:
                raise ValueError(str(exc)) from None
            data = b""
            if found:
                yield found


def _raw_lzma(properties: bytes) -> lzma.LZMADecompressor:
    """A decompressor for LZMA as ZIP holds it: five bytes of properties, and no frame."""
    if len(properties) != 5:
        raise ValueError("its LZMA properties are broken")
    packed, dictionary = properties[0], struct.unpack_from("<L", properties, 1)[0]
    filters = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": dictionary,
        "lc": packed % 9,
        "lp": packed // 9 % 5,
        "pb": packed // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters])


def _unpacker(member: Member) -> _Unpacker:
    match member.method:
        case 8:
            return _Deflated()
        case 12:
            return _Bounded(bz2.BZ2Decompressor())
        case 14:
            return _Bounded(None)
        case _:
            return _Unpacker()
