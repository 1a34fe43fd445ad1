"""A server with a hidden limit, and as many clients as a limiter allows, without a clock.

A loop over events in the order of their instants: half a minute of a server takes some
hundredths of a second. As in `Attempts`, a refusal silences all clients for half a second
to a second.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bronze_engine.limits.adaptive import Reason
from bronze_engine.limits.concurrency import Concurrency

REFUSAL_SHARE = 0.1
"""Of the latency: so soon does a refusal come back."""


class SimulatedServer(Protocol):
    def arrive(self, now: float) -> float | None:
        """Seconds that the request takes, or None where it is refused."""
        ...

    def leave(self) -> None: ...

    @property
    def refusal_seconds(self) -> float: ...


@dataclass
class AtOnce:
    """Works on so many requests at once as `capacity` says of the instant; refuses the others."""

    capacity: Callable[[float], int]
    latency: float
    jitter: float
    chance: random.Random
    busy: int = 0

    @property
    def refusal_seconds(self) -> float:
        return self.latency * REFUSAL_SHARE

    def arrive(self, now: float) -> float | None:
        if self.busy >= self.capacity(now):
            return None
        self.busy += 1
        return self.latency * self.chance.uniform(1 - self.jitter, 1 + self.jitter)

    def leave(self) -> None:
        self.busy -= 1


@dataclass
class PerSecond:
    """A token bucket of `rate` with a burst of one second's worth; refuses when it is empty."""

    rate: float
    latency: float
    jitter: float
    chance: random.Random
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.rate

    @property
    def refusal_seconds(self) -> float:
        return self.latency * REFUSAL_SHARE

    def arrive(self, now: float) -> float | None:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return None
        self.tokens -= 1
        return self.latency * self.chance.uniform(1 - self.jitter, 1 + self.jitter)

    def leave(self) -> None:
        pass


@dataclass(frozen=True)
class Simulated:
    good_per_second: float
    refused_share: float
    limit: int
    trace: tuple[tuple[float, int, Reason], ...]
    """Instant, limit, reason of every change."""


def simulate(
    concurrency: int | Literal["auto"],
    server: SimulatedServer,
    *,
    seconds: float,
    chance: random.Random,
    clients: int = 400,
) -> Simulated:
    """Send as many requests as the limiter allows, for so long."""
    limiter = Concurrency(concurrency)
    trace: list[tuple[float, int, Reason]] = []
    # Instant of the answer, order, whether it is a good one, number, instant of the request.
    answers: list[tuple[float, int, bool, int, float]] = []
    now, paused_until = 0.0, 0.0
    sent = good = refused = 0
    while True:
        start = max(now, paused_until)
        while start <= (answers[0][0] if answers else start) and (
            limiter.in_flight < clients and limiter.take()
        ):
            now = start
            lasts = server.arrive(now)
            sent += 1
            until = now + (server.refusal_seconds if lasts is None else lasts)
            heapq.heappush(answers, (until, sent, lasts is not None, limiter.begin(), now))
        now, _, is_good, number, began = heapq.heappop(answers)
        if now > seconds:
            break
        if is_good:
            server.leave()
            good += 1
        else:
            refused += 1
            paused_until = max(paused_until, now + chance.uniform(0.5, 1.0))
        if limiter.observe(number, now - began, "succeeded" if is_good else "refused"):
            search = limiter.search
            assert search is not None
            trace.append((now, search.limit, search.reason))
        limiter.release()
    return Simulated(
        good_per_second=good / seconds,
        refused_share=refused / max(1, good + refused),
        limit=limiter.limit,
        trace=tuple(trace),
    )
