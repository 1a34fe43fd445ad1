"""The contracts. Read this page first: it is the map of the engine.

Data flows one way:

    Source.slices -> Source.read(slice) -> blocks -> Decoder.decode -> batches
        -> Encoder.write -> parts -> Upload.part -> Upload.seal -> staged files
            -> Store.complete -> Store.put(manifest)       (publish: the commit)

Sources and stores do I/O on the event loop and send computing to workers. Decoders and
encoders are synchronous, do no I/O, run in workers, and are tested without a loop.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Literal, Protocol, TypeVar, runtime_checkable

import msgspec
import pyarrow as pa

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.stores.store import RemoteStoreConfig, StoreConfig
from bronze_engine.credentials import Auth
from bronze_engine.flow import Budget
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.landed import LandedBefore, LandedFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Load
from bronze_engine.model.override import Override
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.part import (
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.quota import Quota
from bronze_engine.model.slice import Slice
from bronze_engine.model.text_rows import TextRows
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.workers import Workers

__all__ = [
    "Decoded",
    "Decoder",
    "Emit",
    "Encoder",
    "Hide",
    "Hook",
    "Limits",
    "Locking",
    "OpenAuth",
    "Preview",
    "ReadsFiles",
    "Refuse",
    "Replayable",
    "Replayer",
    "Request",
    "Resources",
    "Rule",
    "Share",
    "Source",
    "SourceType",
    "Store",
    "StoreResources",
    "TextCaster",
    "TextTypes",
    "Upload",
]

C_contra = TypeVar("C_contra", contravariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
T = TypeVar("T")

Emit = Callable[[Block], Awaitable[None]]
"""Hands a block on; returns when it is accepted: this is the backpressure."""


OpenAuth = Callable[[Api], Awaitable[Auth | None]]
"""Makes what proves who we are to an API; None where its table holds the credential whole."""


class Hide(Protocol):
    """Says what no log may hold from now on. What an owner said before the last is forgotten."""

    def __call__(self, owner: str, secrets: Iterable[str], /) -> None: ...


class Hook(Protocol):
    """Told of what happens. On the loop, quick, never raises; slow consumers queue."""

    def __call__(self, event: Event, /) -> None: ...


class Share(Protocol):
    """One instance of something for the whole engine: a connection pool, a client.

    The first caller's context is entered; it is left when the engine closes.
    """

    async def __call__(
        self, key: str, make: Callable[[], AbstractAsyncContextManager[T]], /
    ) -> T: ...


class Limits(Protocol):
    """The limits of one group (an API, a store) around each operation on it."""

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        /,
        *,
        describe: str,
        may_repeat: bool = True,
    ) -> T:
        """Run one operation under breaker, slot and bucket, with retries.

        `operation` raises `bronze_engine.limits.retry.Transient` for what may be tried
        again. `describe` names it in messages, without secrets. Without `may_repeat` (a
        conditional put, a completion) an attempt that may have reached the server is the
        last. Raises RetryError when the attempts are spent, caused by the last Transient;
        CircuitOpen when the breaker's probe failed.
        """
        ...

    @property
    def concurrency(self) -> int:
        """Attempts of the group that may be in flight at once, now."""
        ...

    def told(self, quotas: Sequence[Quota], /) -> None:
        """What an answer says is left, to slow down before the server refuses.

        An operation calls it when it has its answer, before it returns.
        """
        ...

    def trace(self) -> ConcurrencyTrace:
        """How many operations may be in flight, and how that came to be since this was made."""
        ...

    def describe(self) -> dict[str, str]:
        """The configured numbers, for people: {"rate": "10/s, burst 20", ...}."""
        ...


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


Refuse = Callable[[Sequence[int], Sequence[str]], Sequence[Reject]]
"""Makes rejects of accepted rows: of their places in the batch, ascending, and of a reason for
each. Called in a worker, and only where a row has broken a rule."""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one group of blocks."""

    batch: pa.RecordBatch
    """The accepted records in order, with exactly the columns of `layout`."""
    layout: Layout
    """The layout after this group; the same version as the one given unless it grew."""
    rejects: tuple[Reject, ...] = ()
    high: str | None = None
    """The highest cursor value among the accepted records, as the source wrote it."""
    late_rows: int = 0
    """Records received at or below the window's low; those at or below read_from are dropped."""
    special_values: int = 0
    """Values that their columns can't hold, landed as NULL or, as text, beside their column."""
    later_rows: int = 0
    """Records above the window's end, dropped: they belong to the next window."""
    refuse: Refuse | None = None
    """What knows each row's record, to its exact bytes; None where the source has no such record:
    a row is then kept as the JSON text of its columns."""


class Decoder(Protocol):
    """Pure and thread-safe: the result depends on its arguments alone."""

    @property
    def least_group_bytes(self) -> int:
        """What a group should have at the least, for its fixed cost not to count; 0 where the
        usual size will do."""
        ...

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group. `layout` is the fold so far; None for a slice's first group."""
        ...


TextTypes = Literal["text", "infer"]
"""What a column becomes whose type nobody names: text, or the type that its first values have,
where each of them can be printed again from it."""


class TextCaster(Protocol):
    """What decoders of texts (CSV, fixed-width, spreadsheets) have in common: the types of the
    columns, drift, and the layout. Pure and thread-safe, as a decoder is."""

    def cast(self, rows: TextRows, layout: Layout | None, /) -> Decoded:
        """The rows of one group as a batch of the layout, which grows by keys that are new.

        `layout` is the fold so far, as of `Decoder.decode`. Windows are the caller's: none is
        applied. Raises QualityError for drift under `on_drift = "fail"` and under
        `contract = "freeze"`.
        """
        ...


class Rule(Protocol):
    """One rule of `quality.rules`, with the state of one slice.

    Slices are merged in their order, before the commit: any split of the same rows gives the
    same result. Never in two threads at once.
    """

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        """Look at the next rows; returns which of them break the rule, None where none does.

        Raises QualityError where the rule can't be applied to the columns that there are.
        """
        ...

    def state(self) -> bytes:
        """All that was seen, for `merge`, in this process or after a resume in another."""
        ...

    def merge(self, state: bytes, /) -> None:
        """Add what the rule has seen in a later slice."""
        ...

    def finish(self) -> RuleResult: ...


class Encoder(Protocol[T_contra]):
    """One file each, never in two threads at once."""

    def write(self, item: T_contra, /) -> Sequence[Part]:
        """Encode one item and return the parts that are now full, in order."""
        ...

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """End the file: the last parts, and the file as the manifest will name it."""
        ...


class StoreResources(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever opens a store lends it."""

    clock: Clock
    workers: Workers
    limits: Callable[[RemoteStoreConfig, str], Limits]
    """The limits of a store's group; the text is its component in metrics (`S3Storage`)."""


class Upload(Protocol):
    """A file on its way into the store."""

    async def part(self, part: Part, /) -> None:
        """Accept one part, in any order; waits while enough parts are out; retries the part.

        The part may still be on its way when this returns: what became of it is told by a
        later `part`, or by `seal`.
        """
        ...

    async def settle(self) -> None:
        """Wait until no part is on its way: what each took of memory is free again."""
        ...

    async def seal(self, file: DataFile, /) -> Staged:
        """Wait for all parts. The file is whole now, and still invisible."""
        ...


class Store(Protocol):
    """Objects by key. Keys are relative, with `/` between their segments.

    Every method raises StoreError (STG001) for what the store refuses or fails.
    """

    @property
    def url(self) -> str:
        """Where it is, for people, without secrets."""
        ...

    async def get(self, key: str, /) -> StoredObject | None:
        """A small object whole, or None where there is none."""
        ...

    def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A large object as a stream of chunks of at most 1 MiB."""
        ...

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        """Write a small object if its version is as expected.

        Raises Conflict when it is not (nothing was written) and OutcomeUnknown when the
        answer was lost (perhaps written). After any other error nothing was written.
        """
        ...

    def stage(self, key: str, /) -> AbstractAsyncContextManager[Upload]:
        """Begin a file. Leaving without `seal` removes it; a sealed one outlives us."""
        ...

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        """Make a sealed file visible; idempotent; verifies its size and checksum."""
        ...

    async def discard(self, staged: Staged, /) -> None:
        """Remove a staged file; idempotent."""
        ...

    async def delete(self, key: str, /) -> None:
        """Remove a visible object; idempotent."""
        ...

    def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        """Every visible object whose key begins with `prefix`, in key order."""
        ...

    def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        """Every staged file whose key begins with `prefix`, whoever began it."""
        ...

    async def now(self) -> datetime:
        """The store's own clock: leases are judged by it."""
        ...


@runtime_checkable
class Locking(Protocol):
    """A store with locks that die with their holder (local disk); others lease by put."""

    def lock(
        self, key: str, note: bytes, /, *, stale_seconds: float = math.inf
    ) -> AbstractAsyncContextManager[None]:
        """Hold the lock for the body. Raises Conflict at once when another holds it.

        A holder that has not been heard of for `stale_seconds` (a stopped process, a frozen
        virtual machine) loses it.
        """
        ...

    async def touch_lock(self, key: str, /) -> bool:
        """Be heard of as the holder; False where the lock was lost."""
        ...

    async def lock_note(self, key: str, /) -> bytes | None:
        """The note of whoever holds the lock, or None."""
        ...

    async def excludes(self) -> bool:
        """Whether a lock held here keeps a second process out, found out with one."""
        ...
