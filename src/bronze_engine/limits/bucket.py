"""The token bucket: how many requests a second may be sent.

Kept as the one instant at which the bucket would be full again (the "theoretical arrival
time" of the generic cell rate algorithm, ITU-T I.371): each token moves it on by 1/rate.
Nothing has to refill it and no rounding error grows with the number of requests.
"""

from __future__ import annotations

import logging
import math
from typing import Final, Protocol, final

import anyio

from bronze_engine.clock import Clock
from bronze_engine.config.api import RateLimit

__all__ = ["Bucket", "TokenBucket"]

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

    async def acquire(self) -> None:
        """Take one token, in the order of asking. A cancelled caller has taken none."""
        ...

    def give_back(self) -> None:
        """Return a token that was taken and not used. Does not wait."""
        ...


@final
class TokenBucket:
    """`rate` tokens a second, at most `capacity` at once; full at first.

    In any span of t seconds at most rate x t + capacity tokens are granted, and they are
    granted in the order of asking. Only the first in the queue sleeps, so a waiter that is
    cancelled holds nothing but its place.
    """

    def __init__(self, limit: RateLimit, *, clock: Clock, component: str) -> None:
        self.rate = limit.rps
        self.capacity = limit.burst or max(1, math.ceil(limit.rps))
        self._clock = clock
        self._component = component
        self._full_at = clock.monotonic()
        self._turn = anyio.Lock(fast_acquire=True)
        self._nap: anyio.CancelScope | None = None
        self._info_at = -math.inf
        self._debug_at = -math.inf

    @property
    def tokens(self) -> float:
        return self.capacity - max(0.0, self._full_at - self._clock.monotonic()) * self.rate

    async def acquire(self) -> None:
        async with self._turn:
            waited = False
            while (wait := self._seconds_to_token()) > _ROUNDING_SECONDS:
                waited = True
                await self._sleep(wait)
            self._full_at = max(self._full_at, self._clock.monotonic()) + 1 / self.rate
            self._log(waited)

    def give_back(self) -> None:
        self._full_at -= 1 / self.rate
        if self._nap is not None:
            self._nap.cancel()  # whoever sleeps for the next token may have this one

    async def _sleep(self, seconds: float) -> None:
        try:
            with anyio.CancelScope() as self._nap:
                await self._clock.sleep(seconds)
        finally:
            self._nap = None

    def _seconds_to_token(self) -> float:
        return self._full_at - self._clock.monotonic() - (self.capacity - 1) / self.rate

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
