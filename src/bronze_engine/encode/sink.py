"""Where an encoder writes: parts with their checksums, and the hash of the whole file."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from typing import Final, final

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
    """A write-only file object. Nothing is written twice, and no byte is read back."""

    def __init__(self, part_bytes: int) -> None:
        super().__init__()
        self._part_bytes = part_bytes
        self._pending = bytearray()
        self._parts: list[Part] = []
        self._next = 1
        self._offset = 0
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._offset + len(self._pending)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._hash.update(data)
        self._pending += data
        while len(self._pending) >= (size := part_size(self._next, self._part_bytes)):
            self._cut(size)
        return len(data)

    def take(self) -> Sequence[Part]:
        """The parts that are full and were not taken yet."""
        parts, self._parts = self._parts, []
        return parts

    def end(self, *, name: str, row_count: int, layout: int = 0) -> tuple[Sequence[Part], DataFile]:
        """The last parts, the rest as one of them, and the whole file."""
        if self._pending:
            self._cut(len(self._pending))
        file = DataFile(
            name=name,
            size_bytes=self._offset,
            sha256=self._hash.hexdigest(),
            row_count=row_count,
            layout=layout,
        )
        return self.take(), file

    def _cut(self, size: int) -> None:
        data = bytes(memoryview(self._pending)[:size])
        del self._pending[:size]
        part = Part(number=self._next, offset=self._offset, data=data, crc32=zlib.crc32(data))
        self._parts.append(part)
        self._next += 1
        self._offset += size
