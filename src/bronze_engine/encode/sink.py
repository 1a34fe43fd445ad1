"""Where an encoder writes: parts with their checksums, and the hash of the whole file."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from typing import final

from bronze_engine.model.part import DataFile, Part

__all__ = ["PART_BYTES", "PartSink"]

PART_BYTES = 8 * 1024**2
"""Of all parts but the last. S3 takes 5 MiB and more; 8 keeps four in flight cheap."""


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
        while len(self._pending) >= self._part_bytes:
            self._cut(self._part_bytes)
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
