"""What the source of files and its formats expect of each other.

    source: lists, opens, decompresses  -> Content
        format: Content -> blocks       (reads on the loop, or steps a blocking reader in workers)
            decoder: blocks -> batches  (pure, in workers)

A format knows nothing of where a file lies or how it is compressed; the source knows nothing
of what is in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from bronze_engine.contracts import Decoder, Emit

__all__ = ["Content", "FileInfo", "Format"]


class FileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a run, as its listing told it."""

    path: str
    """For people, manifests and the quarantine, without secrets; a member of a ZIP as
    `archive.zip!member.csv`."""
    number: int
    """Place in the run's order, from 1: the `page` of its blocks and rejects."""
    size_bytes: int
    """As stored, compressed."""
    modified: datetime | None = None
    """Aware; None where nobody tells."""
    version: str | None = None
    """An ETag or the like, where the place has one."""


class Content(Protocol):
    """The bytes of one file, decompressed. May be read more than once, one reading at a time."""

    @property
    def info(self) -> FileInfo: ...

    def chunks(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A stream of non-empty pieces of at most 1 MiB.

        Raises ExtractError for a file that is gone, has changed while it was read, or whose
        compressed bytes are broken or end too early.
        """
        ...

    def local(self) -> AbstractAsyncContextManager[Path]:
        """The whole file on local disk, for readers that seek: itself where it lies there
        uncompressed, else a temporary copy, removed on leaving."""
        ...


class Format(Protocol):
    """How the files of one pipeline are read. One for a run; used for many files at once."""

    async def read(self, content: Content, emit: Emit, /) -> None:
        """Hand on the records of one file in order; returns when the last block is accepted."""
        ...

    def decoder(self) -> Decoder:
        """What makes batches of this format's blocks, whatever file they are of."""
        ...
