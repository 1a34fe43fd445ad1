"""The token bucket: how many requests may be sent, and who waits for the next token."""

from __future__ import annotations

import logging
import math
from typing import Final, Protocol, final

import anyio

from bronze_engine.clock import Clock
from bronze_engine.config.api import RateLimit
from bronze_engine.limits.pace import MinutePace, Pace, SteadyPace
from bronze_engine.limits.turns import Turns

__all__ = ["Bucket", "TokenBucket", "buckets_of"]

logger = logging.getLogger(__name__)

_INFO_SECONDS: Final = 10.0
"""A limited run waits all the time; a line every ten seconds shows that it does."""
_DEBUG_SECONDS: Final = 1.0
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


@final
class TokenBucket:
    """Grants tokens at a pace, to the pipelines in turn.

    Only the one whose turn it is sleeps, so a waiter that is cancelled holds nothing but its
    place.
    """

    def __init__(self, pace: Pace, *, clock: Clock, component: str) -> None:
        self._pace = pace
        self._clock = clock
        self._component = component
        self._turns = Turns()
        self._nap: anyio.CancelScope | None = None
        self._info_at = -math.inf
        self._debug_at = -math.inf

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
                await self._sleep(wait)
            self._pace.take(self._clock.monotonic())
            self._log(waited)
        finally:
            self._turns.leave()

    def give_back(self) -> None:
        self._pace.give_back()
        if self._nap is not None:
            self._nap.cancel()  # whoever sleeps for the next token may have this one

    async def _sleep(self, seconds: float) -> None:
        try:
            with anyio.CancelScope() as self._nap:
                await self._clock.sleep(seconds)
        finally:
            self._nap = None

    def _seconds_to_token(self) -> float:
        return self._pace.seconds_to_token(self._clock.monotonic())

    def _log(self, waited: bool) -> None:
        """Say how it stands: waiting, at INFO, now and then; otherwise at DEBUG."""
        now = self._clock.monotonic()
        if waited and now - self._info_at >= _INFO_SECONDS:
            level, self._info_at = logging.INFO, now
        elif now - self._debug_at >= _DEBUG_SECONDS:
            level = logging.DEBUG
        else:
            return
        self._debug_at = now
        logger.log(
            level,
            "metric=rate_limit component=%s phase=acquire tokens=%.2f capacity=%d rate=%.2f",
            self._component,
            max(0.0, self.tokens),
            self.capacity,
            self.rate,
        )


def buckets_of(limit: RateLimit, *, clock: Clock, component: str) -> list[Bucket]:
    """The buckets of `rps` and of `requests_per_minute`, as far as they are set."""
    paces: list[Pace] = []
    if limit.rps is not None:
        capacity = limit.burst or max(1, math.ceil(limit.rps))
        paces.append(SteadyPace(limit.rps, capacity, clock.monotonic()))
    if limit.requests_per_minute is not None:
        paces.append(MinutePace(limit.requests_per_minute))
    return [TokenBucket(pace, clock=clock, component=component) for pace in paces]
