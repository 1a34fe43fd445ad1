"""The bytes of a part in the shape that botocore takes."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import final

__all__ = ["PartBody"]


@final
class PartBody(io.RawIOBase):
    """A file for botocore, of which our transport sends the pieces without joining them.

    botocore reads it only to sign the body, which it does over plain HTTP to other machines.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self.pieces = pieces
        self._starts = list(accumulate(map(len, pieces), initial=0))
        self._at = 0

    def __len__(self) -> int:
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + (0, self._at, len(self))[whence]
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        target = memoryview(buffer).cast("B")
        number = bisect_right(self._starts, self._at) - 1
        if number == len(self.pieces):
            return 0
        begin = self._at - self._starts[number]
        found = memoryview(self.pieces[number])[begin : begin + len(target)]
        target[: len(found)] = found
        self._at += len(found)
        return len(found)
