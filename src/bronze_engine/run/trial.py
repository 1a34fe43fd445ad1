"""A run that leaves nothing: it reads, decodes, encodes and stages as a run does, for a while,
and then gives up what it has staged.

No lease is held, nothing is recorded, and no staged file is ever completed. Killed at any
instant it leaves at most uploads under a run's names, which the next run reaps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Final, Literal, final

import anyio
import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import captures_pages
from bronze_engine.contracts import Decoder, Emit, Preview, Source
from bronze_engine.errors import ExtractError, SliceLost, SnapshotLost
from bronze_engine.flow import single, ungrouped
from bronze_engine.land.job import Job, Written
from bronze_engine.land.landed import Landed
from bronze_engine.land.slice import land_slice
from bronze_engine.limits.trial import Purse, Spent, TrialLimits
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.profile import RunProfile
from bronze_engine.model.slice import Slice
from bronze_engine.quality.thresholds import Threshold
from bronze_engine.run.admission import least_bytes
from bronze_engine.run.seats import Seats
from bronze_engine.run.services import Identity, Services
from bronze_engine.run.survey import survey
from bronze_engine.shield import finish
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.telemetry.profile import Profile, applied
from bronze_engine.telemetry.verdict import profile_of

__all__ = ["Trial", "TrialBounds", "run_trial"]

_LATE: Final = 1.25
"""When a reading is ended that no record ends, in seconds of the trial."""
_DRAIN_SECONDS: Final = 3.0
_FIRST_ROWS_SECONDS: Final = 20.0
"""How much longer it waits for the first rows: without them a trial tells nothing."""
_LEAST_SECONDS: Final = 0.2
"""What a trial must have read for to be judged: it goes on no longer than it has to."""


class TrialBounds(msgspec.Struct, frozen=True, kw_only=True):
    """When a trial ends, whichever comes first."""

    seconds: float
    """After its first records."""
    requests: int
    rows: int | None = None
    concurrency: int | Literal["auto"] | None = None
    """Requests in flight; None leaves that to the limit group."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one trial."""

    rows: int
    bytes_in: int
    bytes_out: int
    seconds: float
    """From the first records until what was read was staged."""
    rows_per_second: float
    """Of the records after the first ones, in that time."""
    pages: int
    requests: int
    refused: int
    """Answers that asked to be left alone."""
    failed: int
    sustained_rps: float | None
    """Requests a second that the server lets through, where it has refused some."""
    latency_seconds: float
    """Of a request, on average."""
    cpu_seconds: float
    is_whole: bool
    """Whether the source has ended by itself."""
    is_cut: bool
    """Whether the store had not taken everything in time: only what it had counts."""
    is_spent: bool
    """Whether it ended because no more requests may be sent."""
    profile: RunProfile


async def run_trial(
    pipeline: Pipeline, run_date: date, services: Services, bounds: TrialBounds, purse: Purse
) -> Trial:
    """Read as `pipeline` says, until a bound is reached; nothing of it is left.

    Raises what a run raises while it reads.
    """
    if captures_pages(pipeline.source):
        source = msgspec.structs.replace(pipeline.source, capture=None)
        pipeline = msgspec.structs.replace(pipeline, source=source)
    profile = Profile()
    with applied(profile):
        size = await least_bytes(pipeline, services)
        async with services.budget.reserve(size):
            return await _Trying(pipeline, run_date, services, bounds, purse, profile).run(size)


class _Enough(Exception):
    """A bound is reached."""


@final
class _Trying:
    def __init__(
        self,
        pipeline: Pipeline,
        run_date: date,
        services: Services,
        bounds: TrialBounds,
        purse: Purse,
        profile: Profile,
    ) -> None:
        self._pipeline = pipeline
        self._run_date = run_date
        self._services = services
        self._bounds = bounds
        self._profile = profile
        self._tally = SourceTally()
        resources = services.resources(pipeline, self._tally)
        self._limits = TrialLimits(
            resources.limits, bounds.concurrency, purse, bounds.requests, services.clock
        )
        self._resources = msgspec.structs.replace(resources, limits=self._limits)
        self._written = Written()
        self._is_cut = False
        """Whether it was given up before the store had taken everything."""
        self._rows = _Rows(bounds, services.clock, self._written)

    async def run(self, size_bytes: int) -> Trial:
        pipeline, services = self._pipeline, self._services
        identity = Identity.new(services.clock)
        stores = await services.stores(pipeline)
        standing = await survey(stores, pipeline, self._run_date, identity)
        job = Job(
            pipeline=pipeline,
            request=standing.request,
            partition=standing.partition,
            generation=standing.base.generation + 1,
            target=stores.target,
            state=stores.state,
            rejected_key=f"{standing.partition}/{identity.run}.rejected",
            threshold=Threshold(pipeline.quality),
            resources=self._resources,
            grace_seconds=services.grace_seconds,
            written=self._written,
        )
        landed: list[Landed] = []
        source_type = await services.source_type(pipeline)
        at_once = source_type.slices_at_once(pipeline.source)
        try:
            async with source_type.open(
                pipeline.source, standing.request, self._resources
            ) as source:
                await self._within_time(
                    lambda: self._land(job, _Cut(source, self._rows), landed, size_bytes, at_once)
                )
            return self._trial(landed)
        except (SliceLost, SnapshotLost) as exc:
            raise ExtractError(f"{pipeline.name}: {exc}; try again when it is quiet") from exc
        finally:

            async def discard() -> None:
                for each in landed:
                    await each.discard(stores.target, stores.state)

            await finish(discard, grace_seconds=services.grace_seconds)

    async def _within_time(self, land: Callable[[], Awaitable[None]]) -> None:
        """A source may be paused, or held up: then no record comes that could end the reading.
        And a store that is slow may have much to take yet when it has ended: what it has not
        taken in as much time again, and a few seconds at the least, is given up."""
        clock, seconds = self._services.clock, self._bounds.seconds

        async def watch() -> None:
            await self._rows.began.wait()
            await clock.sleep(_LATE * seconds)
            self._rows.end()
            await clock.sleep(max(seconds, _DRAIN_SECONDS))
            if not self._written.rows:  # a worker's first job, or a busy machine
                await clock.sleep(_FIRST_ROWS_SECONDS)
            self._is_cut = True
            tasks.cancel_scope.cancel()

        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                await land()
                tasks.cancel_scope.cancel()

    async def _land(
        self, job: Job, source: Source, landed: list[Landed], size_bytes: int, at_once: int
    ) -> None:
        """As a run lands its slices; where that is one after another, each takes up the layout
        that the one before has left."""
        layout: Layout | None = None
        seats = Seats(self._services.budget, size_bytes, at_once)

        async def land(piece: Slice | None) -> None:
            nonlocal layout
            while piece is not None:
                one, piece = await land_slice(job, source, piece, layout)
                landed.append(one)
                if at_once == 1:
                    layout = one.layout or layout
            seats.give_back()

        try:
            with seats:
                async with anyio.create_task_group() as tasks:
                    async for first in source.slices():
                        await seats.take()
                        if self._rows.is_enough or self._limits.is_spent:
                            break
                        tasks.start_soon(land, first)
        except BaseExceptionGroup as group:
            error = single(group)
            if not isinstance(error, Spent):  # it came while the slices were listed
                raise error from error.__cause__  # hides the group, keeps what it came from

    def _trial(self, landed: list[Landed]) -> Trial:
        rows = self._written.rows if self._is_cut else sum(each.rows for each in landed)
        profile = profile_of(self._profile, least_seconds=_LEAST_SECONDS)
        fetch = next((each for each in profile.stages if each.stage == "fetch"), None)
        seconds = self._rows.seconds
        later = rows if self._is_cut else max(0, rows - self._rows.first_rows(rows))
        sizes = (file.file.size_bytes for each in landed for file in each.files if file.file)
        return Trial(
            rows=rows,
            bytes_in=self._tally.bytes_in,
            bytes_out=sum(sizes),
            seconds=seconds,
            rows_per_second=later / seconds if seconds > 0 else 0.0,
            pages=self._tally.pages,
            requests=self._limits.sent,
            refused=self._limits.refused,
            failed=self._limits.failed,
            sustained_rps=self._limits.sustained_rps,
            latency_seconds=fetch.work_seconds / fetch.jobs if fetch and fetch.jobs else 0.0,
            cpu_seconds=profile.cpu_seconds,
            is_whole=not self._rows.is_enough and not self._is_cut and not self._limits.is_spent,
            is_cut=self._is_cut,
            is_spent=self._limits.is_spent,
            profile=profile,
        )


@final
class _Rows:
    """What a source has handed on, and since when."""

    def __init__(self, bounds: TrialBounds, clock: Clock, written: Written) -> None:
        self._bounds = bounds
        self._clock = clock
        self._written = written
        self._began: float | None = None
        self.began = anyio.Event()
        self._readings: set[anyio.CancelScope] = set()
        self._records = 0
        self._bytes = 0
        self._first_bytes = 0
        self.is_enough = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """The body reads; it is left when the time is over."""
        with anyio.CancelScope() as scope:
            self._readings.add(scope)
            try:
                yield
            finally:
                self._readings.discard(scope)

    def end(self) -> None:
        """Leave what is being read."""
        self.is_enough = True
        for scope in tuple(self._readings):
            scope.cancel()

    def add(self, block: Block) -> None:
        """Raises _Enough once a bound is reached."""
        self._records += block.records
        self._bytes += block.size_bytes
        if self._began is None:
            self._began = self._clock.monotonic()
            self.began.set()
            self._first_bytes = self._bytes
        is_late = self._clock.monotonic() - self._began >= self._bounds.seconds
        rows = max(self._records, self._written.rows)
        if is_late or (self._bounds.rows is not None and rows >= self._bounds.rows):
            self.is_enough = True
            raise _Enough

    @property
    def seconds(self) -> float:
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    def first_rows(self, rows: int) -> float:
        """How many of the landed rows came with the first block: not every source counts them."""
        return rows * self._first_bytes / self._bytes if self._bytes else 0.0


@final
class _Cut:
    """A source that ends when there is enough."""

    def __init__(self, source: Source, rows: _Rows) -> None:
        self._source = source
        self._rows = rows
        self.token: str | None = None

    def slices(self) -> AsyncIterator[Slice]:
        return self._source.slices()

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        async def counted(block: Block) -> None:
            await emit(block)
            self._rows.add(block)

        with suppress(_Enough, Spent), self._rows.read():
            return await self._source.read(piece, counted)
        return None

    def decoder(self) -> Decoder:
        return self._source.decoder()

    def preview(self) -> Preview:
        return self._source.preview()

    async def check(self) -> str:
        return await self._source.check()
