"""The token bucket: how many requests may be sent, and who waits for the next token."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, Protocol, final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.api import RateLimit
from bronze_engine.flow import Nap
from bronze_engine.limits.pace import MinutePace, Pace, SteadyPace
from bronze_engine.limits.sample import BucketLog
from bronze_engine.limits.shared import SharedBucket
from bronze_engine.limits.tokens import SharedRate, Tokens
from bronze_engine.limits.turns import Turns

__all__ = ["Bucket", "Share", "TokenBucket", "buckets_of"]

_ROUNDING_SECONDS: Final = 1e-9


class Bucket(Protocol):
    """Where tokens come from: this process, or one that several processes share."""

    @property
    def rate(self) -> float:
        """Tokens a second."""
        ...

    @property
    def capacity(self) -> int:
        """Tokens that may be taken at once after a long rest."""
        ...

    @property
    def tokens(self) -> float:
        """Tokens that could be taken now."""
        ...

    async def acquire(self, pipeline: str = "") -> None:
        """Take one token, fairly between pipelines, in the order of asking within one.

        A cancelled caller has taken none.
        """
        ...

    def give_back(self) -> None:
        """Return a token that was taken and not used. Does not wait."""
        ...


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a group shares with other processes."""

    group: str
    tokens: Tokens
    pause: Callable[[float], object]
    """Told for how long its server wants to be left alone, when another process knows."""


@final
class TokenBucket:
    """Grants tokens at a pace, to the pipelines in turn.

    Only the one whose turn it is sleeps, so a waiter that is cancelled holds nothing but its
    place.
    """

    def __init__(self, pace: Pace, *, clock: Clock, component: str) -> None:
        self._pace = pace
        self._clock = clock
        self._turns = Turns()
        self._nap = Nap(clock)
        self._log = BucketLog(clock, component)

    @property
    def rate(self) -> float:
        return self._pace.rate

    @property
    def capacity(self) -> int:
        return self._pace.capacity

    @property
    def tokens(self) -> float:
        return self._pace.tokens(self._clock.monotonic())

    async def acquire(self, pipeline: str = "") -> None:
        await self._turns.take(pipeline)
        try:
            waited = False
            while (wait := self._seconds_to_token()) > _ROUNDING_SECONDS:
                waited = True
                await self._nap.take(wait)
            self._pace.take(self._clock.monotonic())
            self._log.acquired(self, waited=waited)
        finally:
            self._turns.leave()

    def give_back(self) -> None:
        self._pace.give_back()
        self._nap.end()  # whoever sleeps for the next token may have this one

    def _seconds_to_token(self) -> float:
        return self._pace.seconds_to_token(self._clock.monotonic())


def buckets_of(
    limit: RateLimit, *, clock: Clock, component: str, share: Share | None = None
) -> list[Bucket]:
    """The buckets of `rps` and of `requests_per_minute`, as far as they are set.

    With `share` they are those of all processes.
    """
    buckets: list[Bucket] = []
    if limit.rps is not None:
        capacity = limit.burst or max(1, math.ceil(limit.rps))
        pace: Pace = SteadyPace(limit.rps, capacity, clock.monotonic())
        buckets.append(_bucket("second", pace, clock, component, share))
    if limit.requests_per_minute is not None:
        pace = MinutePace(limit.requests_per_minute)
        buckets.append(_bucket("minute", pace, clock, component, share))
    return buckets


def _bucket(
    kind: Literal["second", "minute"],
    pace: Pace,
    clock: Clock,
    component: str,
    share: Share | None,
) -> Bucket:
    if share is None:
        return TokenBucket(pace, clock=clock, component=component)
    rate = SharedRate(group=share.group, kind=kind, rate=pace.rate, capacity=pace.capacity)
    return SharedBucket(rate, share.tokens, clock=clock, component=component, pause=share.pause)
