"""Lifetimes and shared things. No data passes here.

An engine holds no task group and no cancel scope, only an exit stack: it may be entered
in one task and used, concurrently, from any other. A run opens its own task group and
closes it before it returns.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeVar, final
from zoneinfo import ZoneInfo

import anyio
import msgspec

from bronze_engine.adapters import (
    StoreOpener,
    open_auth,
    source_type,
    store_limits,
    store_opener,
    token_store,
)
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.api import Api, CircuitBreaker, Retry
from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import FilesSourceConfig, HttpSourceConfig
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts import Hook, Limits, Resources, SourceType, Store, StoreResources
from bronze_engine.credentials import Auth, AuthResources, TokenStore
from bronze_engine.decode.arrow.decoder import ArrowDecoder
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.text.caster import TextColumns
from bronze_engine.flow import Budget
from bronze_engine.limits.registry import GroupStatistics, LimitRegistry
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.model.quarantine import QuarantineReport
from bronze_engine.model.report import RunPlan, RunReport, VerifyReport
from bronze_engine.publish.preflight import Preflight
from bronze_engine.publish.verify import verify
from bronze_engine.run.check import Finding, check_pipeline
from bronze_engine.run.gc import collect_garbage
from bronze_engine.run.history import History, read_history
from bronze_engine.run.preview import plan_pipeline
from bronze_engine.run.quarantine import read_quarantine
from bronze_engine.run.services import Options, Services, Stores
from bronze_engine.run.state import EntityState
from bronze_engine.run.steps import run_pipeline
from bronze_engine.run.stream import BatchStream
from bronze_engine.state.partitions import read_dates, read_neighbours
from bronze_engine.state.quota import QuotaLedger
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.workers import Workers

__all__ = ["Engine", "EngineStatistics", "open_engine"]

T = TypeVar("T")

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 10.0
"""What a cancelled run may still spend on its commit, or on cleaning up."""

DRAIN_SECONDS: Final = 2.0
"""The same while the process is being ended, which has five seconds in all."""

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

    def __init__(self, config: Config, shared: _Shared) -> None:
        self.config = config
        self._shared = shared
        self._services = shared.services()
        self._slots = anyio.Semaphore(config.engine.max_pipelines)
        self._running = 0
        self._waiting = 0

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

    async def _run(self, name: str, run_date: date, options: Options) -> RunReport:
        pipeline = self.config.pipeline(name)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._running += 1
        try:
            return await run_pipeline(pipeline, run_date, self._services, options)
        finally:
            self._running -= 1
            self._slots.release()

    @property
    def clock(self) -> Clock:
        return self._services.clock

    def today(self) -> date:
        """The date in the engine's timezone."""
        return self._services.today()

    async def manifests(self, name: str, *, run_dates: Collection[date]) -> dict[date, Manifest]:
        """The committed manifests of these dates, of those that have one.

        Raises StateError for one that can't be read, StoreError.
        """
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

    async def replay_quarantine(
        self, name: str, *, run_date: date, wait_seconds: float = 0.0
    ) -> RunReport:
        """Decode the quarantined records of a committed date again, as today's configuration
        says, and commit the next generation with those that pass.

        Raises StateError where there are none, or where they can't be decoded one by one; else
        as `run`.
        """
        return await self._run(name, run_date, Options(mend=True, wait_seconds=wait_seconds))

    async def plan(self, name: str, *, run_date: date, full_refresh: bool = False) -> RunPlan:
        """What `run` would do, found out without a data request and without a write."""
        return await plan_pipeline(
            self.config.pipeline(name),
            run_date,
            self._services,
            full_refresh=full_refresh,
        )

    def batches(self, name: str, *, run_date: date) -> BatchStream:
        """The records that a run would land, as batches in order; nothing is written."""
        return BatchStream(self.config.pipeline(name), run_date, self._services)

    async def check(self, name: str, *, run_date: date) -> tuple[Finding, ...]:
        """Try configuration, store and source for real; the faults are in what is returned."""
        return await check_pipeline(self.config, name, run_date, self._services)

    async def verify(self, name: str, *, run_date: date) -> VerifyReport:
        """Hash the files of a partition again, streaming, and compare with its manifest.

        Raises StateError where nothing is committed there, StoreError where it can't be
        read; files that differ are in the report.
        """
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        partition = partition_path(pipeline.system, pipeline.entity, run_date)
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

    def state(self, name: str) -> EntityState:
        """What is remembered of a pipeline's entity: to look at, to set, to make anew."""
        return EntityState(self.config.pipeline(name), self._services)

    async def history(
        self, name: str, *, run_date: date | None = None, limit: int = 20
    ) -> History:
        """The newest runs of a pipeline, or of one date of it; failed ones are among them."""
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        return await read_history(stores, pipeline, run_date=run_date, limit=limit)

    async def quarantine(
        self, name: str, *, run_date: date, run: str | None = None, limit: int | None = None
    ) -> QuarantineReport:
        """The rejected records of a committed date, or of a run that failed for them."""
        pipeline = self.config.pipeline(name)
        stores = await self._services.stores(pipeline)
        return await read_quarantine(
            stores, self._services.workers, pipeline, run_date, run=run, limit=limit
        )

    def statistics(self) -> EngineStatistics:
        """What is going on now."""
        budget = self._services.budget
        return EngineStatistics(
            running=self._running,
            waiting=self._waiting,
            memory_limit_bytes=budget.limit_bytes,
            reserved_bytes=budget.reserved_bytes,
            pooled_bytes=budget.pooled_bytes,
            limit_groups=self._shared.limits.statistics(),
        )

    def drain(self) -> None:
        """Say that the process is being ended: runs that are cancelled from now on hurry."""
        self._shared.is_draining = True


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
    more. `sources` and `stores` stand in for, or add
    to, the built-in types by their tag: `stores={"local": my_opener}`. Leaving closes
    connections and joins the threads; a run still under way must be awaited or cancelled
    before.
    """
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(max(2, os.cpu_count() or 1)))
        shared = _Shared(config, workers, clock, hooks, sources, stores)
        stack.push_async_callback(shared.aclose)
        yield Engine(config, shared)


@final
class _Shared:
    """What all runs of an engine have in common, opened when it is first asked for."""

    def __init__(
        self,
        config: Config,
        workers: Workers,
        clock: Clock,
        hooks: Sequence[Hook],
        sources: Mapping[str, SourceType[Any]],
        stores: Mapping[str, StoreOpener],
    ) -> None:
        self.is_draining = False
        self._config = config
        self._workers = workers
        self._clock = clock
        self._hooks = list(hooks)
        self._sources = sources
        self._store_openers = stores
        self._budget = Budget(config.engine.memory_limit)
        self._zone = ZoneInfo(config.engine.timezone)
        self._preflight = Preflight()
        self.limits = LimitRegistry(clock, self._publish, QuotaLedger(self._quota_store))
        self._stack = AsyncExitStack()
        self._opened: dict[object, Any] = {}
        self._opening = anyio.Lock()

    def services(self) -> Services:
        return Services(
            clock=self._clock,
            workers=self._workers,
            budget=self._budget,
            preflight=self._preflight,
            publish=self._publish,
            source_type=self._source_type,
            stores=self._stores,
            resources=self._resources,
            today=self._today,
            grace_seconds=lambda: DRAIN_SECONDS if self.is_draining else GRACE_SECONDS,
            resume_seconds=self._config.engine.resume_max_age,
        )

    async def aclose(self) -> None:
        try:
            await self.limits.aclose()  # into a store that closes with the stack
        finally:
            await self._stack.aclose()

    async def share(self, key: object, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """The one instance under `key`; made by the first caller, left with the engine."""
        async with self._opening:
            if key not in self._opened:
                self._opened[key] = await self._stack.enter_async_context(make())
        opened: T = self._opened[key]
        return opened

    def _publish(self, event: Event) -> None:
        for hook in tuple(self._hooks):
            try:
                hook(event)
            except Exception:  # an observer must not decide what becomes of a run
                log.warning("hook %r failed and is told nothing more", hook, exc_info=True)
                if hook in self._hooks:
                    self._hooks.remove(hook)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    async def _source_type(self, pipeline: Pipeline) -> SourceType[Any]:
        # In a worker: the first of a kind imports its client, half a second of work.
        return await self._workers.run(source_type, _tag(pipeline.source), self._sources)

    async def _stores(self, pipeline: Pipeline) -> Stores:
        target = await self._store(pipeline.target)
        state = target if pipeline.state is None else await self._store(pipeline.state)
        return Stores(target=target, state=state)

    async def _store(self, config: StoreConfig) -> Store:
        # In a worker: the first of a kind imports its client, half a second of work.
        opener = await self._workers.run(store_opener, _tag(config), self._store_openers)
        resources = StoreResources(
            clock=self._clock, workers=self._workers, limits=store_limits(self.limits)
        )
        key = ("store", config.name, config.location)
        return await self.share(key, lambda: opener(config, resources))

    async def _quota_store(self) -> Store:
        """Where daily quotas are counted, whatever targets the pipelines of an API have."""
        engine = self._config.engine
        return await self._store(self._config.place(engine.state or engine.target))

    def _resources(self, pipeline: Pipeline, tally: SourceTally) -> Resources:
        limits = self._limits(pipeline)
        tally.trace = limits.trace
        return Resources(
            clock=self._clock,
            workers=self._workers,
            budget=self._budget,
            share=self.share,
            tally=tally,
            publish=self._publish,
            limits=limits,
            json_decoder=JsonDecoder,
            arrow_decoder=ArrowDecoder,
            text_caster=TextColumns,
            open_auth=self._open_auth,
            hide=self._config.hide,
            open_store=self._store,
        )

    def _limits(self, pipeline: Pipeline) -> Limits:
        """Those of the group that the pipeline's API or connection belongs to."""
        source = pipeline.source
        if isinstance(source, HttpSourceConfig):
            api = source.api
            group = self.limits.group(
                api.limit_group,
                "ApiExtractor",
                rate=api.rate_limit,
                retry=api.retry,
                breaker=api.circuit_breaker,
                concurrency=api.concurrency,
            )
            return group.limits(source.rate_limit, source.retry, pipeline=pipeline.name)
        if isinstance(source, FilesSourceConfig):
            return self._file_limits(source, pipeline.name)
        connection = source.connection
        group = self.limits.group(
            f"connections.{connection.name}",  # an API may have the same name
            "DatabaseExtractor",
            rate=None,
            retry=connection.retry,
            breaker=connection.circuit_breaker,
            concurrency=connection.max_connections,
        )
        return group.limits(pipeline=pipeline.name)

    def _file_limits(self, source: FilesSourceConfig, pipeline: str) -> Limits:
        """Of HTTP those of the API, or of the server; stores have limits of their own."""
        api = next((place.api for place in source.places if place.api is not None), None)
        name = "" if api is None else api.limit_group or f"files of {api.base_url}"
        group = self.limits.group(
            name or "files",
            "FileExtractor" if api is None or not api.name else "ApiExtractor",
            rate=None if api is None else api.rate_limit,
            retry=Retry() if api is None else api.retry,
            breaker=CircuitBreaker() if api is None else api.circuit_breaker,
            concurrency="auto" if api is None else api.concurrency,
        )
        return group.limits(pipeline=pipeline)

    async def _open_auth(self, api: Api) -> Auth | None:
        return await open_auth(
            AuthResources(
                api=api,
                clock=self._clock,
                workers=self._workers,
                open_tokens=self._open_tokens,
            )
        )

    async def _open_tokens(self, text: str) -> TokenStore:
        return await token_store(text, self._config, self._workers, self._store)


def _tag(config: msgspec.Struct) -> str:
    """The `type` that the configuration names."""
    return str(config.__struct_config__.tag)
