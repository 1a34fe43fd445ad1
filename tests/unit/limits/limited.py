"""A limit group on a manual clock, and a server that answers by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Limits
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.limits.transient import Transient
from bronze_engine.telemetry.events import Event
from bronze_engine.testing import ManualClock

__all__ = ["DEFAULT_RETRY", "NOW", "Fixture", "Server", "storm", "throttled"]

DEFAULT_RETRY = Retry()
NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


class Server:
    """Answers each request by the next entry of its script, then with "ok"."""

    def __init__(self, clock: ManualClock, script: Sequence[Exception | None] = ()) -> None:
        self.clock = clock
        self.script = list(script)
        self.at: list[float] = []
        self.latency = 0.0

    async def __call__(self) -> str:
        self.at.append(self.clock.monotonic())
        if self.latency:
            await self.clock.sleep(self.latency)
        if self.script:
            answer = self.script.pop(0)
            if answer is not None:
                raise answer
        return "ok"


class Fixture:
    """A limit group on a manual clock, and what it told."""

    def __init__(
        self,
        *,
        fractions: Sequence[float] = (0.0,),
        rate: RateLimit | None = None,
        retry: Retry = DEFAULT_RETRY,
        failures: int = 5,
        cooldown: float = 30,
        concurrency: int = 10,
    ) -> None:
        self.clock = ManualClock(start=NOW, fractions=fractions)
        self.events: list[Event] = []
        self.group: LimitGroup = LimitRegistry(self.clock, self.events.append).group(
            "shop",
            "ApiExtractor",
            rate=rate,
            retry=retry,
            breaker=CircuitBreaker(failures=failures, cooldown=Duration(cooldown)),
            concurrency=concurrency,
        )
        self.limits: Limits = self.group.limits()

    async def call(self, operation: Callable[[], Awaitable[str]]) -> str:
        return await self.limits.call(operation, describe="GET /orders")

    def begin(self, operation: Callable[[], Awaitable[str]]) -> asyncio.Task[str]:
        return asyncio.create_task(self.call(operation))

    def assert_nothing_is_held(self) -> None:
        assert self.group.statistics().in_flight == 0
        assert self.group.statistics().waiting == 0
        assert self.clock.waiting == ()


def storm(count: int = 100) -> list[Exception | None]:
    return [Transient("503 Service Unavailable") for _ in range(count)]


def throttled(seconds: float | None = None) -> Transient:
    return Transient("429 Too Many Requests", counts=False, retry_after_seconds=seconds)
