"""How an engine stands at an instant: asked at most once a second, when something happens.

On the event loop, because that is where an engine may be asked; a metric reader's own thread
may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, Protocol, final

from opentelemetry.metrics import Meter

from bronze_engine.clock import Clock
from bronze_engine.telemetry.events import BatchFinished, Event, RunFinished, RunStarted

__all__ = ["Gauges", "GroupStatistics", "Statistics"]

_INTERVAL_SECONDS: Final = 1.0
_BREAKER: Final = {"closed": 0, "half-open": 1, "open": 2}


class GroupStatistics(Protocol):
    """One limit group, as `Engine.statistics` tells it."""

    @property
    def group(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def tokens(self) -> float | None: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def breaker(self) -> str: ...


class Statistics(Protocol):
    """What `Engine.statistics` returns."""

    @property
    def waiting(self) -> int: ...
    @property
    def reserved_bytes(self) -> int: ...
    @property
    def pooled_bytes(self) -> int: ...
    @property
    def limit_groups(self) -> Iterable[GroupStatistics]: ...


@final
class Gauges:
    """The gauges of one engine; none before `watch`."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._clock = clock
        self._statistics: Callable[[], Statistics] | None = None
        self._asked_at = -math.inf
        self._waiting = meter.create_gauge(
            "bronze.runs.waiting", "{run}", "Runs that wait for their turn."
        )
        self._memory = meter.create_gauge(
            "bronze.memory.held", "By", "Bytes of engine.memory_limit that runs hold, by kind."
        )
        self._in_flight = meter.create_gauge(
            "bronze.requests.in_flight", "{request}", "Attempts under way, by limit group."
        )
        self._tokens = meter.create_gauge(
            "bronze.rate_limit.tokens", "{request}", "Requests that could be sent at once now."
        )
        self._breaker = meter.create_gauge(
            "bronze.breaker.state", "1", "Circuit breakers: 0 closed, 1 half-open, 2 open."
        )

    def watch(self, statistics: Callable[[], Statistics]) -> None:
        self._statistics = statistics

    def __call__(self, event: Event, /) -> None:
        if self._statistics is None:
            return
        now = self._clock.monotonic()
        is_turn = isinstance(event, RunStarted | RunFinished | BatchFinished)
        if now - self._asked_at < (0.0 if is_turn else _INTERVAL_SECONDS):
            return
        self._asked_at = now
        self._tell(self._statistics())

    def _tell(self, statistics: Statistics) -> None:
        self._waiting.set(statistics.waiting)
        self._memory.set(statistics.reserved_bytes, {"bronze.memory.kind": "reserved"})
        self._memory.set(statistics.pooled_bytes, {"bronze.memory.kind": "pooled"})
        for group in statistics.limit_groups:
            of = {"bronze.group": group.group, "bronze.component": group.component}
            self._in_flight.set(group.in_flight, of)
            self._breaker.set(_BREAKER.get(group.breaker, 2), of)
            if group.tokens is not None:
                self._tokens.set(max(0.0, group.tokens), of)
