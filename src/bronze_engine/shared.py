"""What all runs of an engine share: opened when first asked for, closed with the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from datetime import date
from typing import Any, Final, TypeVar, final
from zoneinfo import ZoneInfo

import anyio

from bronze_engine.adapters import (
    StoreOpener,
    lake_table_type,
    open_auth,
    source_limits,
    source_type,
    store_limits,
    store_resources,
    token_store,
)
from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.table_format import TableOutput
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import (
    Auth,
    AuthResources,
    Hook,
    LakeTable,
    Resources,
    SourceType,
    Store,
    TablePlace,
    TokenStore,
)
from bronze_engine.decode.arrow.decoder import ArrowDecoder
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.text.caster import TextColumns
from bronze_engine.flow import Budget
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.limits.tokens import Tokens
from bronze_engine.publish.preflight import Preflight
from bronze_engine.run.services import Services, Stores
from bronze_engine.state.quota import QuotaLedger
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.lines import MetricLines
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.workers import Workers

__all__ = ["Shared"]

T = TypeVar("T")

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 10.0
"""What a cancelled run may still spend on its commit, or on cleaning up."""

DRAIN_SECONDS: Final = 2.0
"""The same while the process is being ended, which has five seconds in all."""


@final
class Shared:
    """What all runs of an engine have in common, opened when it is first asked for."""

    def __init__(
        self,
        config: Config,
        workers: Workers,
        clock: Clock,
        hooks: Sequence[Hook],
        sources: Mapping[str, SourceType[Any]],
        stores: Mapping[str, StoreOpener],
        tokens: Tokens | None,
    ) -> None:
        self.is_draining = False
        self._config = config
        self._workers = workers
        self._clock = clock
        self._hooks = [MetricLines(clock), *hooks]
        self._sources = sources
        self._store_openers = stores
        self._budget = Budget(config.engine.memory_limit)
        self._zone = ZoneInfo(config.engine.timezone)
        self._preflight = Preflight()
        self.limits = LimitRegistry(clock, self._publish, QuotaLedger(self.home_store), tokens)
        self._stack = AsyncExitStack()
        self._opened: dict[object, Any] = {}
        self._source_types: dict[str, SourceType[Any]] = {}
        self._opening: dict[object, anyio.Lock] = {}

    def services(self) -> Services:
        return Services(
            clock=self._clock,
            workers=self._workers,
            budget=self._budget,
            preflight=self._preflight,
            publish=self._publish,
            source_type=self._source_type,
            stores=self._stores,
            table=self._table,
            resources=self._resources,
            today=self._today,
            grace_seconds=lambda: DRAIN_SECONDS if self.is_draining else GRACE_SECONDS,
            resume_seconds=self._config.engine.resume_max_age,
            spill_dir=self._config.engine.spill_dir,
        )

    async def aclose(self) -> None:
        try:
            await self.limits.aclose()  # into a store that closes with the stack
        finally:
            await self._stack.aclose()

    async def share(self, key: object, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """The one instance under `key`; made by the first caller, left with the engine."""
        # A lock for each: one that takes long to open keeps nobody from opening another.
        async with self._opening.setdefault(key, anyio.Lock()):
            if key not in self._opened:
                self._opened[key] = await self._stack.enter_async_context(make())
        opened: T = self._opened[key]
        return opened

    @contextmanager
    def listening(self, hook: Hook) -> Iterator[None]:
        """Tell `hook` of events too, while the body lasts."""
        self._hooks.append(hook)
        try:
            yield
        finally:
            if hook in self._hooks:  # one that raised is told nothing more
                self._hooks.remove(hook)

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
        tag = tag_of(pipeline.source)
        if tag not in self._source_types:
            # In a worker: the first of a kind imports its client, half a second of work.
            clean = Redactor(lambda: self._config.secrets)
            found = await self._workers.run(source_type, tag, self._sources, clean)
            self._source_types[tag] = found
        return self._source_types[tag]

    async def _stores(self, pipeline: Pipeline) -> Stores:
        target = await self._store(pipeline.target)
        state = target if pipeline.state is None else await self._store(pipeline.state)
        return Stores(target=target, state=state)

    async def _table(self, pipeline: Pipeline, output: TableOutput) -> LakeTable | None:
        if output.table_format is None:
            return None
        # In a worker: it imports the format's library.
        opener = await self._workers.run(lake_table_type, output.table_format)
        place = TablePlace.of(pipeline, output)
        return opener(place, await self._store(pipeline.target), self._workers, self._clock)

    async def _store(self, config: StoreConfig) -> Store:
        resources = store_resources(
            self._clock, self._workers, store_limits(self.limits), self._store_openers
        )
        key = ("store", config.name, config.location)
        return await self.share(key, lambda: resources.open_store(config))

    async def home_store(self) -> Store:
        """Where daily quotas are counted, whatever targets the pipelines of an API have, and
        reports of batches lie."""
        return await self._store(self._config.home)

    def _resources(self, pipeline: Pipeline, tally: SourceTally) -> Resources:
        limits = source_limits(self.limits, pipeline)
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
