"""Lifetimes and shared things. No data passes here.

An engine holds no task group and no cancel scope, only an exit stack: it may be entered
in one task and used, concurrently, from any other. A run opens its own task group and
closes it before it returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import date
from types import MappingProxyType
from typing import Any, Final, final

import msgspec

from bronze_engine.adapters import StoreOpener, shared_tokens, silver_layer
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Hook, SourceType
from bronze_engine.flow import Reservation
from bronze_engine.limits.registry import GroupStatistics
from bronze_engine.limits.trial import Purse
from bronze_engine.machine import cores
from bronze_engine.model.batch import BatchReport
from bronze_engine.model.curated import SilverPlan
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.manifest import Manifest, check_dates, partition_path
from bronze_engine.model.quarantine import QuarantineReport
from bronze_engine.model.report import RunPlan, RunReport, VerifyReport
from bronze_engine.model.status import PipelineStatus
from bronze_engine.publish.verify import verify
from bronze_engine.run.places import Places
from bronze_engine.run.preview import plan_pipeline
from bronze_engine.run.services import Options
from bronze_engine.run.steps import run_pipeline
from bronze_engine.run.stream import BatchStream
from bronze_engine.run.trial import Trial, TrialBounds, run_trial
from bronze_engine.shared import Shared
from bronze_engine.silver.table import folder_of
from bronze_engine.state.partitions import read_dates, read_neighbours
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.upkeep.batches import keep_batch, kept_batch
from bronze_engine.upkeep.check import Finding, check_pipeline
from bronze_engine.upkeep.gc import collect_garbage
from bronze_engine.upkeep.history import History, read_history, read_table_history
from bronze_engine.upkeep.quarantine import read_quarantine
from bronze_engine.upkeep.state import EntityState
from bronze_engine.upkeep.status import read_statuses
from bronze_engine.upkeep.table.quarantine import read_table_quarantine
from bronze_engine.workers import Workers

__all__ = ["Engine", "EngineStatistics", "open_engine"]

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class EngineStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is doing, at one instant."""

    running: int
    waiting: int
    """Runs that wait for their turn (engine.max_pipelines)."""
    memory_limit_bytes: int
    reserved_bytes: int
    """Set aside by admitted runs for their encoders and the floors of their lanes."""
    pooled_bytes: int
    """Pages and groups beyond those floors."""
    limit_groups: tuple[GroupStatistics, ...]


@final
class Engine:
    """Runs pipelines. Made by `open_engine`; every method may be called concurrently."""

    def __init__(self, config: Config, shared: Shared) -> None:
        self.config = config
        self._shared = shared
        self._services = shared.services()
        self._places = Places(config.engine.max_pipelines)

    async def run(
        self,
        name: str,
        *,
        run_date: date,
        full_refresh: bool = False,
        adopt: bool = False,
        wait_seconds: float = 0.0,
        resume: bool = True,
    ) -> RunReport:
        """Land one pipeline for one date and publish the partition.

        `full_refresh` reads everything anew and begins an epoch; `adopt` takes over a
        partition that another pipeline landed; `wait_seconds` outlasts another run's lease.
        Without `resume` it does not go on where a run of the date was broken off.

        Raises a BronzeError when the run fails; the partition is then as it was before.
        Cancelled before the commit it aborts, during the commit it finishes that first.
        Either way no task, thread, socket or temporary of it is left.
        """
        options = Options(
            full_refresh=full_refresh, adopt=adopt, wait_seconds=wait_seconds, resume=resume
        )
        return await self._run(name, run_date, options)

    async def replay(self, name: str, *, run_date: date, wait_seconds: float = 0.0) -> RunReport:
        """Decode the captured pages of a partition again, by today's configuration.

        It commits the next generation, over the recorded window and with the same pages, and
        asks nothing of the source. Raises StateError where nothing is committed or captured;
        else as `run`.
        """
        return await self._run(name, run_date, Options(replay=True, wait_seconds=wait_seconds))

    async def replay_quarantine(
        self, name: str, *, run_date: date, wait_seconds: float = 0.0
    ) -> RunReport:
        """Decode the quarantined records of a committed date again, as today's configuration
        says, and commit the next generation with those that pass.

        Raises StateError where there are none, or where they can't be decoded one by one; else
        as `run`.
        """
        return await self._run(name, run_date, Options(mend=True, wait_seconds=wait_seconds))

    async def run_now(
        self,
        name: str,
        *,
        run_date: date,
        full_refresh: bool = False,
        wait_seconds: float = 0.0,
        admitted: Callable[[Reservation], None] | None = None,
    ) -> RunReport:
        """As `run`, for a caller that counts the runs under way itself, as a batch does.

        It takes none of the places of engine.max_pipelines and waits for none: two who count
        would keep each other waiting. Memory is waited for all the same; `admitted` is told
        what was set aside, which the run may lend while it has no rows.
        """
        options = Options(full_refresh=full_refresh, wait_seconds=wait_seconds, admitted=admitted)
        return await self._begin(self.config.pipeline(name), run_date, options)

    async def silver(
        self,
        name: str,
        *,
        run_dates: Collection[date] | None = None,
        rebuild: bool = False,
        adopt: bool = False,
        wait_seconds: float = 0.0,
    ) -> RunReport:
        """Bring the Silver table of a pipeline up to what Bronze has committed, and publish it.

        With `run_dates` of the dates that the table does not have only these are taken in; others
        stay pending. What is new goes in, dates of the table that were landed again are taken
        back and applied anew. With `rebuild` all rows are made anew. Where nothing is new nothing
        is committed: `report.silver.mode` is None then.

        Raises ConfigError where the pipeline has no [silver], StateError where Bronze has nothing
        to read or a date was landed again meanwhile, StoreError for a file of Bronze that differs
        from its manifest, and else as `run`; the table is then as it was before. Cancelled before
        the commit it aborts, during the commit it finishes that first.
        """
        async with self._places.one():
            return await self.silver_now(
                name, run_dates=run_dates, rebuild=rebuild, adopt=adopt, wait_seconds=wait_seconds
            )

    async def silver_now(
        self,
        name: str,
        *,
        run_dates: Collection[date] | None = None,
        rebuild: bool = False,
        adopt: bool = False,
        wait_seconds: float = 0.0,
    ) -> RunReport:
        """As `silver`, for a caller that counts the runs under way itself: see `run_now`."""
        check_dates(*run_dates or ())
        pipeline = self.config.pipeline(name)
        layer = await silver_layer(self._services.workers)
        options = layer.SilverOptions(
            run_dates=None if run_dates is None else frozenset(run_dates),
            rebuild=rebuild,
            adopt=adopt,
            wait_seconds=wait_seconds,
        )
        with self._places.counted():
            report: RunReport = await layer.run_silver(pipeline, self._services, options)
        return report

    async def plan(self, name: str, *, run_date: date, full_refresh: bool = False) -> RunPlan:
        """What `run` would do, found out without a data request and without a write."""
        return await plan_pipeline(
            self.config.pipeline(name),
            run_date,
            self._services,
            full_refresh=full_refresh,
        )

    async def plan_silver(
        self,
        name: str,
        *,
        run_dates: Collection[date] | None = None,
        rebuild: bool = False,
        adopt: bool = False,
        landing: date | None = None,
    ) -> SilverPlan:
        """What `silver` would do, found out from manifests alone: no data read, no write; after a
        run of the date `landing`, where it is given.
        """
        check_dates(*run_dates or ())
        layer = await silver_layer(self._services.workers)
        plan: SilverPlan = await layer.plan_silver(
            self.config.pipeline(name),
            self._services,
            run_dates=run_dates,
            rebuild=rebuild,
            adopt=adopt,
            landing=landing,
        )
        return plan

    def batches(self, name: str, *, run_date: date) -> BatchStream:
        """The records that a run would land, as batches in order; nothing is written."""
        return BatchStream(self.config.pipeline(name), run_date, self._services)

    async def trial(
        self, pipeline: Pipeline, *, run_date: date, bounds: TrialBounds, purse: Purse
    ) -> Trial:
        """Read for a while as `pipeline` says, which may be one of the configuration's with other
        settings; what is staged is given up. Nothing is committed or recorded.

        Raises what `run` raises while it reads, EXT001 in place of a loss that `run` mends.
        Cancelled anywhere, nothing of it is left.
        """
        return await run_trial(pipeline, run_date, self._services, bounds, purse)

    async def check(self, name: str, *, run_date: date) -> tuple[Finding, ...]:
        """Try configuration, store and source for real; the faults are in what is returned."""
        return await check_pipeline(self.config, name, run_date, self._services)

    async def status(
        self, *names: str, max_age_seconds: float | None = None
    ) -> tuple[PipelineStatus, ...]:
        """Where these pipelines stand, or all: their newest commit, its age, their newest run.

        With `max_age_seconds` each says whether it is late. Raises nothing for a pipeline that
        can't be looked at: its status has the code.
        """
        return await read_statuses(
            self.config,
            names or self.config.names,
            self._services,
            Redactor(self.config.secrets),
            max_age_seconds=max_age_seconds,
        )

    async def history(
        self, name: str, *, run_date: date | None = None, limit: int = 20, silver: bool = False
    ) -> History:
        """The newest runs of a pipeline, or of one date of it; failed ones are among them.

        With `silver` those that made its curated table.
        """
        if run_date is not None:
            check_dates(run_date)
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        if silver:
            folder = folder_of(pipeline)
            return await read_table_history(
                stores, pipeline, folder, run_date=run_date, limit=limit
            )
        return await read_history(stores, pipeline, run_date=run_date, limit=limit)

    async def manifests(self, name: str, *, run_dates: Collection[date]) -> dict[date, Manifest]:
        """The committed manifests of these dates, of those that have one.

        Raises StateError for one that can't be read, StoreError.
        """
        check_dates(*run_dates)
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        days = frozenset(run_dates)
        return await read_dates(stores.target, pipeline.system, pipeline.entity, days)

    async def newest(self, name: str) -> Manifest | None:
        """The manifest of the newest committed date. Raises StateError, StoreError."""
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        around = await read_neighbours(stores.target, pipeline.system, pipeline.entity, date.max)
        return around.last

    def state(self, name: str) -> EntityState:
        """What is remembered of a pipeline's entity: to look at, to set, to make anew."""
        return EntityState(self.config.pipeline(name), self._services)

    async def quarantine(
        self,
        name: str,
        *,
        run_date: date | None = None,
        run: str | None = None,
        limit: int | None = None,
        silver: bool = False,
    ) -> QuarantineReport:
        """The rejected records of a committed date, by default today's, or of a run that failed
        for them.

        With `silver` those of the curated table: of all its dates, where none is given.
        """
        pipeline = self.config.pipeline(name)
        stores, workers = await self._services.stores(pipeline), self._services.workers
        if silver:
            folder = folder_of(pipeline)
            return await read_table_quarantine(
                stores, workers, pipeline, folder, run_date=run_date, run=run, limit=limit
            )
        day = self.today() if run_date is None else run_date
        return await read_quarantine(stores, workers, pipeline, day, run=run, limit=limit)

    async def verify(
        self, name: str, *, run_date: date | None = None, silver: bool = False
    ) -> VerifyReport:
        """Hash the files of a partition again, streaming, and compare with its manifest.

        With `silver` those of the curated table; else of `run_date`, by default today.

        Raises StateError where nothing is committed there, StoreError where it can't be
        read; files that differ are in the report.
        """
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        if silver:
            partition = folder_of(pipeline)
        else:
            day = self.today() if run_date is None else run_date
            partition = partition_path(pipeline.system, pipeline.entity, day)
        return await verify(stores.target, partition, self._services.workers)

    async def gc(self, *names: str, delete: bool = False) -> GcReport:
        """Find what dead runs of these pipelines have left; with `delete` remove it.

        Never touched: what a manifest names, what a run at work has staged, and names that
        are not ours. Where files of a generation after the manifest's are removed, that
        manifest is first committed anew, so that a run that was thought dead can't commit
        any more (where there is none, a void one is). Cancelled anywhere, every partition is
        as readable as before. Raises nothing that the report can tell: it has the faults.
        """
        return await collect_garbage(self.config, names, self._services, delete=delete)

    async def keep_batch(self, report: BatchReport) -> tuple[str, ...]:
        """Store the report of a batch, without secrets, for `kept_batch`; returns warnings.

        It takes the place of an earlier one. Never raises for the store's faults; cancelled,
        it still finishes.
        """
        mask = Redactor(self.config.secrets)
        return await keep_batch(report, mask, self._shared.home_store, self._services)

    async def kept_batch(self, batch: str = "last", *, shard: str | None = None) -> BatchReport:
        """The stored report of a batch; `last` is the one that began last, of this shard.

        Raises ConfigError where there is none, StateError where it can't be read, StoreError.
        """
        return await kept_batch(batch, shard, self._shared.home_store, self._services)

    def listening(self, hook: Hook) -> AbstractContextManager[None]:
        """Tell `hook` of events too, while the body lasts."""
        return self._shared.listening(hook)

    def tell(self, event: Event) -> None:
        """Tell the hooks of what goes on above the engine: a batch."""
        self._services.publish(event)

    @property
    def clock(self) -> Clock:
        return self._services.clock

    def today(self) -> date:
        """The date in the engine's timezone."""
        return self._services.today()

    def statistics(self) -> EngineStatistics:
        """What is going on now."""
        budget = self._services.budget
        return EngineStatistics(
            running=self._places.running,
            waiting=self._places.waiting,
            memory_limit_bytes=budget.limit_bytes,
            reserved_bytes=budget.reserved_bytes,
            pooled_bytes=budget.pooled_bytes,
            limit_groups=self._shared.limits.statistics(),
        )

    def drain(self) -> None:
        """Say that the process is being ended: runs that are cancelled from now on hurry."""
        self._shared.is_draining = True

    async def _run(self, name: str, run_date: date, options: Options) -> RunReport:
        pipeline = self.config.pipeline(name)
        async with self._places.one():
            return await self._begin(pipeline, run_date, options)

    async def _begin(self, pipeline: Pipeline, run_date: date, options: Options) -> RunReport:
        check_dates(run_date)  # before a report of the run is kept under it
        with self._places.counted():
            return await run_pipeline(pipeline, run_date, self._services, options)


@asynccontextmanager
async def open_engine(
    config: Config,
    *,
    hooks: Sequence[Hook] = (),
    clock: Clock = SYSTEM_CLOCK,
    sources: Mapping[str, SourceType[Any]] = _NONE,
    stores: Mapping[str, StoreOpener] = _NONE,
) -> AsyncIterator[Engine]:
    """Open an engine; leave it when its runs are done.

    `hooks` are told of events, on the loop; one that raises is logged and told nothing
    more. `sources` and `stores` stand in for, or add to, the built-in types by their tag:
    `stores={"local": my_opener}`. Leaving closes connections and joins the threads; a run
    still under way must be awaited or cancelled before.
    """
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(max(2, cores())))
        tokens = await shared_tokens(config.engine, workers, clock)
        if tokens is not None:
            stack.push_async_callback(tokens.aclose)
        shared = Shared(config, workers, clock, hooks, sources, stores, tokens)
        stack.push_async_callback(shared.aclose)
        yield Engine(config, shared)
