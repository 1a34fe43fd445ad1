"""Captured pages: JSON lines under zstd, a page a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from bronze_engine.encode.sink import PART_BYTES, PartSink
from bronze_engine.model.frames import frame
from bronze_engine.model.part import DataFile, Part

__all__ = ["PagesEncoder"]


@final
class PagesEncoder:
    """One file of captured pages. An abandoned encoder holds memory only.

    It takes lines as `model.page_json` writes them, whole or in pieces: a page may be
    larger than what one job should compress. What `write` is given becomes one zstd frame,
    so a reader needs no more than that at once.
    """

    def __init__(self, name: str, *, part_bytes: int = PART_BYTES) -> None:
        self.name = name
        self.pages_written = 0
        self._sink = PartSink(part_bytes)

    @property
    def bytes_written(self) -> int:
        """Bytes of the file so far."""
        return self._sink.size_bytes

    def write(self, item: bytes, /) -> Sequence[Part]:
        """Append some lines, or a piece of one, and return the parts that are now full."""
        self._sink.write(frame(item))
        self.pages_written += item.count(b"\n")
        return self._sink.take()

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """End the file: the last parts, and the file with its pages as rows."""
        return self._sink.end(name=self.name, row_count=self.pages_written)
