"""A checkpoint: what an unfinished run has landed, slice after slice, for who resumes it.

Its files are sealed and invisible: multipart uploads, uncommitted blocks, temporaries. No
manifest names them before the run that resumes commits.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

from bronze_engine.model.slice import Slice

__all__ = ["FORMAT_VERSION", "Checkpoint", "Counted", "Done", "writer_name"]

FORMAT_VERSION: Final = 1


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One slice that is landed, and where its chain goes on."""

    head: int
    """Which of the slices that the source lists, from 0, its chain began with."""
    following: Slice | None
    """What the chain has next; None where the slice was its last."""
    landed: msgspec.Raw
    """What it left in the stores, as the run writes and reads it."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What reading had taken so far."""

    pages: int = 0
    requests: int = 0
    retries: int = 0
    bytes_in: int = 0
    warnings: tuple[str, ...] = ()
    reached: str | None = None
    """How far the source has told that all is there; None where it has not."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint of one run date: one object, replaced after each slice."""

    format_version: int = FORMAT_VERSION
    pipeline: str
    system: str
    entity: str
    run_date: date
    run: str
    """Survives a resume, and is what all its files' names begin with."""
    attempt: str
    """The process that the checkpoint belongs to: who resumes puts itself in its place."""
    resumed: int = 0
    """How often it was taken over. It is part of the names of the files that the next process
    writes, so that two of them never write one object."""
    started_at: datetime
    """When the run began, at its first attempt: windows that end then still do."""
    written_at: datetime
    """By the store's clock."""
    plan: str
    """SHA-256 of what must be as it was: configuration, window, base schema, base generation."""
    token: str | None
    """The source's own."""
    generation: int
    """The one that the run will commit."""
    counted: Counted = Counted()
    layout: msgspec.Raw = msgspec.Raw(b"null")
    """The layout that the last slice with records left: the fold goes on from there."""
    slices: tuple[Done, ...] = ()
    """In the order in which they were landed."""

    @property
    def writer(self) -> str:
        """What names the files of the process that it belongs to."""
        return writer_name(self.run, self.resumed)


def writer_name(run: str, resumed: int) -> str:
    """`{run}`, and `{run}_{n}` of its n-th resumption."""
    return run if not resumed else f"{run}_{resumed}"
