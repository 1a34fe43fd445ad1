"""Where an encoder writes: parts with their checksums, and the hash of the whole file."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from typing import Final, final

from zlib_ng.zlib_ng import crc32

from bronze_engine.model.part import DataFile, Part

__all__ = ["PART_BYTES", "PartSink", "part_size"]

PART_BYTES: Final = 8 * 1024**2
"""Of the first parts. S3 takes 5 MiB and more; 8 keeps four in flight cheap."""

_PARTS_OF_ONE_SIZE: Final = 1000
"""Then they grow to twice as much: at 8 MiB, 10,000 parts (S3's limit) hold 8 TiB, and no
file of less than 8 GiB has parts of two sizes (some servers take one size only)."""


def part_size(number: int, first_bytes: int) -> int:
    """Bytes of the part of that number, from 1, where the first has `first_bytes`."""
    return first_bytes << ((number - 1) // _PARTS_OF_ONE_SIZE)


@final
class PartSink(io.RawIOBase):
    """A write-only file object. No byte is copied or read back: parts are made of what is written.

    Both checksums are taken of one piece after another, so the second finds it in the cache.
    """

    def __init__(self, part_bytes: int) -> None:
        super().__init__()
        self._part_bytes = part_bytes
        self._pieces: list[bytes] = []
        self._room = part_size(1, part_bytes)
        self._crc32 = 0
        self._parts: list[Part] = []
        self._next = 1
        self._offset = 0
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self.hash_seconds = 0.0
        """What the checksums have taken so far."""

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._size_bytes

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        piece = data if isinstance(data, bytes) else bytes(data)  # pyarrow gives bytes
        began = time.perf_counter()
        self._hash.update(piece)
        start = 0
        while len(piece) - start >= self._room:
            end = start + self._room
            self._keep(piece[start:end])
            self._cut()
            start = end
        if start < len(piece):
            self._keep(piece[start:])
        self._size_bytes += len(piece)
        self.hash_seconds += time.perf_counter() - began
        return len(piece)

    def take(self) -> Sequence[Part]:
        """The parts that are full and were not taken yet."""
        parts, self._parts = self._parts, []
        return parts

    def end(self, *, name: str, row_count: int, layout: int = 0) -> tuple[Sequence[Part], DataFile]:
        """The last parts, the rest as one of them, and the whole file."""
        if self._pieces:
            self._cut()
        file = DataFile(
            name=name,
            size_bytes=self._offset,
            sha256=self._hash.hexdigest(),
            row_count=row_count,
            layout=layout,
        )
        return self.take(), file

    def _keep(self, piece: bytes) -> None:
        self._crc32 = crc32(piece, self._crc32)
        self._pieces.append(piece)
        self._room -= len(piece)

    def _cut(self) -> None:
        self._parts.append(
            Part(
                number=self._next,
                offset=self._offset,
                pieces=tuple(self._pieces),
                crc32=self._crc32,
            )
        )
        self._offset += self._parts[-1].size_bytes
        self._next += 1
        self._pieces = []
        self._room = part_size(self._next, self._part_bytes)
        self._crc32 = 0
