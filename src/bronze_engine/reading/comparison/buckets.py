"""Records on disk, by the first bits of their keys: what is compared at once fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Literal, final

import numpy as np

from bronze_engine.reading.comparison.digests import RECORD, Records, folded

__all__ = ["Buckets", "buckets_for"]

BUCKET_ROWS: Final = 1_000_000
"""Of both sides together: 40 MB, and as much again to sort them."""
MOST_BUCKETS: Final = 256
"""Two files each; a process may have 1,024 open by default."""

SideName = Literal["a", "b"]


def buckets_for(rows: int) -> int:
    """How many buckets so many rows of both sides need."""
    return max(1, min(MOST_BUCKETS, -(-rows // BUCKET_ROWS)))


@final
class Buckets:
    """Two sides of records in a directory that is gone after the body."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._stack = ExitStack()

    def __enter__(self) -> Buckets:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="bronze-diff-")))
            self._files = {
                (side, number): stack.enter_context((folder / f"{side}-{number}").open("w+b"))
                for side in ("a", "b")
                for number in range(self._count)
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, side: SideName, records: Records) -> None:
        """Put the records, which are in the order of their keys, where they belong."""
        numbers = records["k0"] % np.uint64(self._count)
        for number in np.unique(numbers).tolist():
            self._files[side, int(number)].write(records[numbers == number].tobytes())

    def pairs(self) -> Iterator[tuple[Records, Records]]:
        """The two sides of one bucket after another, one record a key."""
        for number in range(self._count):
            yield self._read("a", number), self._read("b", number)

    def _read(self, side: SideName, number: int) -> Records:
        file = self._files[side, number]
        file.seek(0)
        return folded(np.frombuffer(file.read(), RECORD))
