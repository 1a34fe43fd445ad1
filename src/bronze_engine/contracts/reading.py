"""Where blocks come from: a source, its slices, and what one run asks of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts.decoding import Decoder, TextCaster, TextTypes
from bronze_engine.contracts.lent import Hide, Hook, Limits, OpenAuth, Share
from bronze_engine.contracts.storing import Store
from bronze_engine.flow import Budget
from bronze_engine.model.block import Block
from bronze_engine.model.landed_file import LandedBefore, LandedFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Load
from bronze_engine.model.override import Override
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.slice import Slice
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.workers import Workers

__all__ = [
    "Emit",
    "Preview",
    "ReadsFiles",
    "Replayable",
    "Replayer",
    "Request",
    "Resources",
    "Source",
    "SourceType",
]

C_contra = TypeVar("C_contra", contravariant=True)


Emit = Callable[[Block], Awaitable[None]]
"""Hands a block on; returns when it is accepted: this is the backpressure."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one pipeline and date, before the source is opened."""

    pipeline: str
    system: str
    entity: str
    run_date: date
    run: str
    load: Load
    started_at: datetime
    low: str | None = None
    """Watermark that the window begins after; None reads from the beginning."""
    read_from: str | None = None
    cap: str | None = None
    """Highest cursor value that may land here: the next committed date's low, the end of a date
    window."""
    low_open: bool = True
    """Whether rows exactly at `low` belong to the window before; those of a date window do not."""
    cap_open: bool = False
    """Whether rows exactly at `cap` belong to the window after."""
    epoch: int = 1
    override: Override | None = None
    """What a person has decided of `low`; the commit records it."""
    base: Layout | None = None
    """Columns of the newest earlier partition; they never narrow."""
    incremental: Incremental | None = None
    schema: SchemaConfig = SchemaConfig()
    primary_key: tuple[str, ...] = ()
    keeps_records: bool = False
    """Whether a rule may refuse rows that were decoded well: each record is needed to the byte."""
    landed: LandedBefore | None = None
    """Of an incremental source of files: which the epoch's dates have landed."""
    resumed: Slice | None = None
    """Where a chain of slices that an earlier process has begun goes on: a source that has
    fixed something when that began (the end of its window) finds it in the spec."""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine lends a source for one run."""

    clock: Clock
    workers: Workers
    budget: Budget
    share: Share
    tally: SourceTally
    publish: Hook
    limits: Limits
    """The limits of the source's group, for this pipeline."""
    json_decoder: Callable[[Request], Decoder]
    """Makes the decoder of sources whose blocks are JSON lines."""
    arrow_decoder: Callable[[Request], Decoder]
    """Makes the decoder of files whose blocks are batches with types of their own."""
    text_caster: Callable[[Request, TextTypes], TextCaster]
    """Makes what gives the texts of files the types of their columns."""
    open_auth: OpenAuth
    hide: Hide
    """For tokens that are met while a run lasts."""
    open_store: Callable[[StoreConfig], Awaitable[Store]]
    """A store to read from, shared with whoever lands in it; closed with the engine."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a source would read, told without a data request and without secrets."""

    location: str
    """For the manifest: the URL without query, the table."""
    first: str
    slices: tuple[str, ...]
    notes: tuple[str, ...] = ()


class SourceType(Protocol[C_contra]):
    """A kind of source, found by its tag; third parties register one by entry point."""

    def open(
        self, config: C_contra, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open a source for one run. Makes no data request before `slices` or `read`."""
        ...

    def floor_bytes(self, config: C_contra, /) -> int:
        """What the lanes of one slice must always be able to hold: reserved for each."""
        ...

    def slices_at_once(self, config: C_contra, /) -> int:
        """How many slices may be read side by side, where there is memory for them.

        Above 1 only where all slices have one layout, whatever rows they hold.
        """
        ...


class Replayer(Protocol):
    """What makes the blocks of captured pages once more, as today's configuration says."""

    def blocks(self, page: CapturedPage, /) -> Sequence[Block]:
        """The blocks of one page. Runs in workers; sends nothing. Raises a BronzeError."""
        ...

    def decoder(self) -> Decoder: ...


@runtime_checkable
class Replayable(Protocol[C_contra]):
    """A source type that captures pages, and can decode them again."""

    def replayer(self, config: C_contra, request: Request, resources: Resources, /) -> Replayer: ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A source that reads files, and says which."""

    def landed(self, piece: Slice, /) -> tuple[LandedFile, ...]:
        """The files of a slice that was read to its end, in order."""
        ...


class Source(Protocol):
    """One run's reading of one source. Entered and left in one task."""

    @property
    def token(self) -> str | None:
        """The same token after a crash means that slices may resume; None means never.

        Asked once `slices` has told the first slice. It names what the slices and their bounds
        come from (the window and its step, a listing), so that where it is the same, those
        that were landed need no second reading; and it is None where a slice can't be read
        again as it was (pages without a window, a snapshot).
        """
        ...

    def preview(self) -> Preview: ...

    async def check(self) -> str:
        """Make one small data request and say what was found, or raise a BronzeError."""
        ...

    def slices(self) -> AsyncIterator[Slice]:
        """The slices in order, lazily; may make requests. A resumed run is told all of them
        again, and reads those that were not landed."""
        ...

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Read one slice in order, one `emit` at a time.

        Returns the next slice of a chain, or None. Raises SliceLost when the slice broke
        after rows were handed on and may be read again, SnapshotLost when the run must
        start over, else a BronzeError.
        """
        ...

    def decoder(self) -> Decoder: ...
