"""What an engine lends a source, without the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar, final

from bronze_engine.adapters import open_auth, open_store, store_limits, store_resources
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Api, CircuitBreaker, Retry
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.units import Duration
from bronze_engine.contracts import (
    Auth,
    AuthResources,
    Limits,
    Request,
    Resources,
    Store,
    StoreResources,
    TokenStore,
)
from bronze_engine.decode.arrow.decoder import ArrowDecoder
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.text.caster import TextColumns
from bronze_engine.errors import ConfigError
from bronze_engine.flow import Budget
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.quota import Quota
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.workers import Workers

__all__ = ["CountedLimits", "Lent", "asked", "lend", "lend_to_store"]

T = TypeVar("T")

BUDGET_BYTES: Final = 64 * 1024**2

_QUICKLY: Final = Retry(attempts=2, backoff=Duration(0.01))
"""What fails for ever is known to after one wait of 10 ms."""


def asked(**fields: Any) -> Request:
    """What a run of 2025-01-15 asks of a source; `fields` in the place of the usual ones."""
    usual: dict[str, Any] = {
        "pipeline": "team.things",
        "system": "team",
        "entity": "things",
        "run_date": date(2025, 1, 15),
        "run": "r1",
        "load": "full",
        "started_at": datetime(2025, 1, 15, tzinfo=UTC),
    }
    return Request(**{**usual, **fields})


@final
class CountedLimits:
    """Limits that count the operations that were asked for."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.calls = 0

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        /,
        *,
        describe: str,
        may_repeat: bool = True,
    ) -> T:
        self.calls += 1
        return await self._limits.call(operation, describe=describe, may_repeat=may_repeat)

    @property
    def concurrency(self) -> int:
        return self._limits.concurrency

    def told(self, quotas: Sequence[Quota], /) -> None:
        self._limits.told(quotas)

    def trace(self) -> ConcurrencyTrace:
        return self._limits.trace()

    def describe(self) -> dict[str, str]:
        return self._limits.describe()


@final
class Lent:
    """The resources of one run, and what has come of them."""

    def __init__(self, resources: Resources, limits: CountedLimits) -> None:
        self.resources = resources
        self.limits = limits
        self.events: list[Event] = []
        self.hidden: set[str] = set()
        """What the source has said that no log may hold."""


@asynccontextmanager
async def lend(*, budget_bytes: int = BUDGET_BYTES) -> AsyncIterator[Lent]:
    """Everything that a source is opened with: real workers, stores and decoders, limits that
    grant at once, and the system's clock. Closed on leaving, as an engine closes it.
    """
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(2))
        opened: dict[str, Any] = {}

        async def share(key: str, make: Callable[[], AbstractAsyncContextManager[T]], /) -> T:
            if key not in opened:
                opened[key] = await stack.enter_async_context(make())
            found: T = opened[key]
            return found

        async def store(config: StoreConfig) -> Store:
            key = f"store {config.location}"
            return await share(key, lambda: open_store(config, workers))

        async def auth(api: Api) -> Auth | None:
            return await open_auth(
                AuthResources(
                    api=api, clock=SYSTEM_CLOCK, workers=workers, open_tokens=_no_token_store
                )
            )

        def hide(_owner: str, secrets: Iterable[str], /) -> None:
            lent.hidden.update(secrets)

        def publish(event: Event, /) -> None:
            lent.events.append(event)

        group = LimitRegistry(SYSTEM_CLOCK, publish).group(
            "checked",
            "CheckedExtractor",
            rate=None,
            retry=_QUICKLY,
            breaker=CircuitBreaker(failures=1000),
            concurrency=8,
        )
        limits = CountedLimits(group.limits())
        resources = Resources(
            clock=SYSTEM_CLOCK,
            workers=workers,
            budget=Budget(budget_bytes),
            share=share,
            tally=SourceTally(),
            publish=publish,
            limits=limits,
            json_decoder=JsonDecoder,
            arrow_decoder=ArrowDecoder,
            text_caster=TextColumns,
            open_auth=auth,
            hide=hide,
            open_store=store,
        )
        lent = Lent(resources, limits)
        yield lent


@asynccontextmanager
async def lend_to_store() -> AsyncIterator[StoreResources]:
    """Everything that a store is opened with, without the engine."""
    with Workers(2) as workers:
        limits = store_limits(LimitRegistry(SYSTEM_CLOCK, lambda _: None))
        yield store_resources(SYSTEM_CLOCK, workers, limits)


async def _no_token_store(name: str) -> TokenStore:
    raise ConfigError(f"token_store {name!r}: the checks have none")
