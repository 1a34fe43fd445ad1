"""A server with a hidden limit, and as many clients as a limiter allows, without a clock.

A loop over events in the order of their instants: half a minute of a server takes some
hundredths of a second. As in `Attempts`, a refusal silences all clients for half a second
to a second. As on a network, the server is done with a request before the client sees the
answer, and a refusal takes as long there and back as an answer does.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bronze_engine.limits.adaptive import Outcome, Reason
from bronze_engine.limits.concurrency import Concurrency

NETWORK_SHARE = 0.1
"""Of the latency: so much of it is the way there and back, and so soon comes a refusal."""


class SimulatedServer(Protocol):
    def arrive(self, now: float) -> float | None:
        """Seconds that the server works on the request, or None where it is refused."""
        ...

    def leave(self) -> None: ...

    @property
    def latency(self) -> float: ...


def work_seconds(latency: float, jitter: float, chance: random.Random) -> float:
    return latency * (1 - NETWORK_SHARE) * chance.uniform(1 - jitter, 1 + jitter)


@dataclass
class AtOnce:
    """Works on so many requests at once as `capacity` says of the instant; refuses the others."""

    capacity: Callable[[float], int]
    latency: float
    jitter: float
    chance: random.Random
    busy: int = 0

    def arrive(self, now: float) -> float | None:
        if self.busy >= self.capacity(now):
            return None
        self.busy += 1
        return work_seconds(self.latency, self.jitter, self.chance)

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

    def arrive(self, now: float) -> float | None:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return None
        self.tokens -= 1
        return work_seconds(self.latency, self.jitter, self.chance)

    def leave(self) -> None:
        pass


@dataclass(frozen=True)
class Simulated:
    good_per_second: float
    refused_share: float
    limit: int
    trace: tuple[tuple[float, int, Reason], ...]
    """Instant, limit, reason of every change."""


_Event = tuple[float, float, int, Literal["arrives", "leaves"] | Outcome, float]
"""Instant, order among those of one instant, number, what happens, instant of the beginning."""


def simulate(
    concurrency: int | Literal["auto"],
    server: SimulatedServer,
    *,
    seconds: float,
    chance: random.Random,
    clients: int = 400,
    lag: float = 0.0,
) -> Simulated:
    """Send as many requests as the limiter allows, for so long.

    So many seconds of `lag` does the client take up what has come together, in any order, as
    an event loop does that has much to do.
    """
    one_way = server.latency * NETWORK_SHARE / 2
    limiter = Concurrency(concurrency)
    trace: list[tuple[float, int, Reason]] = []
    events: list[_Event] = []
    now, paused_until = 0.0, 0.0
    good = refused = 0

    def answer(outcome: Outcome) -> None:
        back = now + one_way
        seen = math.ceil(back / lag) * lag if lag else back
        order = chance.random() if lag else 0.0
        heapq.heappush(events, (seen, order, number, outcome, began))

    while True:
        start = max(now, paused_until)
        while start <= (events[0][0] if events else start) and (
            limiter.in_flight < clients and limiter.take()
        ):
            now = start
            heapq.heappush(events, (now + one_way, 0.0, limiter.begin(), "arrives", now))
        now, _, number, what, began = heapq.heappop(events)
        if now > seconds:
            break
        if what == "arrives":
            lasts = server.arrive(now)
            if lasts is None:
                answer("refused")
            else:
                heapq.heappush(events, (now + lasts, 0.0, number, "leaves", began))
        elif what == "leaves":
            server.leave()
            answer("succeeded")
        else:
            if what == "succeeded":
                good += 1
            else:
                refused += 1
                paused_until = max(paused_until, now + chance.uniform(0.5, 1.0))
            if limiter.observe(number, now - began, what):
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
