"""What every candidate uploads: random bytes, ready before the clock starts.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["BLOCK_BYTES", "BUCKET", "KEY", "PIECE_BYTES", "Reader", "UploadJob"]

BUCKET: Final = "bench"
KEY: Final = "lake/bench/orders/dt=2025-01-15/part.parquet"

BLOCK_BYTES: Final = 8 * 1024**2
"""The part size of all candidates. Rivals are handed blocks of it without a copy."""
PIECE_BYTES: Final = 1024**2
"""What a Parquet writer hands to its file at most: one page."""


class UploadJob(NamedTuple):
    """Upload `size_bytes` to `KEY` in `BUCKET` of the server at `url`."""

    url: str
    size_bytes: int
    out: str = ""
    """Nobody needs it."""
    variant: str = ""
    """Which of the ways of a candidate that has several."""
    distinct_blocks: int = 1
    """How many blocks of 8 MiB the content repeats. One stays in the processor's cache, as
    what an encoder has just written does; of several, an order that is wrong can be seen."""

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks of 8 MiB, the last one shorter. The same objects recur."""
        return _cut(self._ready(), self.size_bytes)

    def pieces(self) -> Iterator[bytes]:
        """The same content in pieces of 1 MiB."""
        pieces = [
            block[at : at + PIECE_BYTES]
            for block in self._ready()
            for at in range(0, BLOCK_BYTES, PIECE_BYTES)
        ]
        return _cut(pieces, self.size_bytes)

    def sha256(self) -> str:
        """Of the whole content, in hexadecimal."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def _ready(self) -> list[bytes]:
        source = random.Random(1)  # noqa: S311  # content, no secret
        return [source.randbytes(BLOCK_BYTES) for _ in range(self.distinct_blocks)]


class Reader(io.RawIOBase):
    """The content as a file. Whoever reads whole blocks gets them without a copy."""

    def __init__(self, job: UploadJob) -> None:
        super().__init__()
        self._blocks = job.blocks()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            self._rest = next(self._blocks, b"")
        if size < 0 or size >= len(self._rest):
            found, self._rest = self._rest, b""
        else:
            found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _cut(ready: list[bytes], size_bytes: int) -> Iterator[bytes]:
    number = 0
    while size_bytes > 0:
        block = ready[number % len(ready)]
        yield block if len(block) <= size_bytes else block[:size_bytes]
        size_bytes -= len(block)
        number += 1
