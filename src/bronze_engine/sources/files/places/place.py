"""A place: a directory, an object store or a server, and the files that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

__all__ = ["Found", "Observe", "Place"]

Observe = Callable[[bytes], object]
"""Told of each piece that is read, in a worker: what hashes a file."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A file as its place tells of it."""

    key: str
    """What the place knows it by."""
    path: str
    """For people, without secrets."""
    size_bytes: int | None = None
    modified: datetime | None = None
    version: str | None = None
    """An ETag or the like; None where the place has none."""


class Place(Protocol):
    """One directory, store or server."""

    @property
    def is_remote(self) -> bool:
        """Whether each file costs a round trip: then small ones are fetched ahead."""
        ...

    @property
    def sends_parts(self) -> bool:
        """Whether `read` can begin within a file: few servers let it."""
        ...

    def scan(self, pattern: str, /) -> AsyncIterator[Found]:
        """The files that match, in no order. Raises ExtractError, or StoreError of a store."""
        ...

    async def near(self, pattern: str, /) -> Sequence[str]:
        """Names of files that may have been meant by a pattern that none has."""
        ...

    def read(
        self, file: Found, observe: Observe, /, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes as they are stored, in pieces of at most 1 MiB, `observe` told of each.

        Raises ExtractError for a file that is gone.
        """
        ...

    async def look(self, file: Found, /) -> Found | None:
        """The file as it is now, None where it is gone; the same file of a place whose reads are
        of one version each."""
        ...

    def on_disk(self, file: Found, /) -> Path | None:
        """Where it lies on a local disk, if it does."""
        ...
