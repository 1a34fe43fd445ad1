"""Slowing down before the server refuses: by what its answers say is left.

Requests that are on their way are counted here, because the answers tell only of those
that have arrived. While more than a tenth of a limit is left nothing is held back. The
last tenth is spread over the time to the reset, unless the gaps were longer than
`max_wait`; when nothing is left, nothing is sent until the reset.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final, final

import anyio

from bronze_engine.clock import Clock
from bronze_engine.model.quota import Quota

__all__ = ["Exhausted", "Throttle"]

logger = logging.getLogger(__name__)

_RESERVE: Final = 0.1
_SAME_RESET_SECONDS: Final = 2.0
"""Resets are told in whole seconds, by a clock that may be read late."""
_LOG_SECONDS: Final = 10.0
_ROUNDING_SECONDS: Final = 1e-9


class Exhausted(Exception):
    """Nothing is left, and the reset is too far away. Only the retry loop sees it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@final
class Throttle:
    """The limits of one group as its server tells of them. Free of cost while it tells nothing."""

    def __init__(self, *, clock: Clock, component: str) -> None:
        self.sent = 0
        """Requests let through so far."""
        self._clock = clock
        self._component = component
        self._windows: dict[str, _Window | _Leak] = {}
        self._mark = 0
        self._turn = anyio.Lock(fast_acquire=True)
        self._nap: anyio.CancelScope | None = None
        self._logged_at = -math.inf

    def told(self, quotas: Sequence[Quota], sent: int) -> None:
        """Take in what an answer says; `sent` as it was when its request was let through.

        What an older request's answer says is out of date.
        """
        if sent < self._mark:
            return
        self._mark = sent
        now = self._clock.monotonic()
        for quota in quotas:
            left = math.floor(quota.remaining) - (self.sent - sent)
            window = self._windows.get(quota.name)
            if window is None:
                window = _Window() if quota.refill_per_second is None else _Leak()
                self._windows[quota.name] = window
            window.told(quota, left, now)
        if self._nap is not None:
            self._nap.cancel()  # whoever sleeps reckons anew

    async def acquire(self, max_wait_seconds: float) -> None:
        """Wait until one more request may be sent, in the order of asking.

        Raises Exhausted where nothing is left and the reset is further away than that. A
        cancelled caller has taken nothing.
        """
        if self._windows:
            async with self._turn:
                while (wait := self._seconds(max_wait_seconds)) > _ROUNDING_SECONDS:
                    self._log(wait)
                    await self._sleep(wait)
                now = self._clock.monotonic()
                for window in self._windows.values():
                    window.take(now)
        self.sent += 1

    def give_back(self) -> None:
        """Return what was taken and not used."""
        for window in self._windows.values():
            window.left += 1

    def _seconds(self, max_wait_seconds: float) -> float:
        now = self._clock.monotonic()
        wait = 0.0
        for window in self._windows.values():
            seconds = window.seconds(now, max_wait_seconds)
            if seconds > max_wait_seconds:
                raise Exhausted(seconds)
            wait = max(wait, seconds)
        return wait

    async def _sleep(self, seconds: float) -> None:
        try:
            with anyio.CancelScope() as self._nap:
                await self._clock.sleep(seconds)
        finally:
            self._nap = None

    def _log(self, wait: float) -> None:
        now = self._clock.monotonic()
        if now - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = now
        logger.info(
            "metric=rate_limit component=%s phase=throttle remaining=%d wait_seconds=%.2f",
            self._component,
            max(0, min(int(window.left) for window in self._windows.values())),
            wait,
        )


@final
class _Window:
    """A limit that is whole again at one instant."""

    def __init__(self) -> None:
        self.left = 0.0
        self._limit = 0.0
        self._resets_at = -math.inf
        self._seconds = 0.0
        self._free_at = -math.inf

    def told(self, quota: Quota, left: float, now: float) -> None:
        self.left = left
        self._limit = quota.limit or max(quota.remaining, self._limit)
        resets_at = now + quota.reset_seconds
        if abs(resets_at - self._resets_at) > _SAME_RESET_SECONDS:  # another window
            self._seconds = quota.reset_seconds
            self._free_at = -math.inf
        self._resets_at = resets_at

    def seconds(self, now: float, max_wait_seconds: float) -> float:
        if now >= self._resets_at:
            # The next answer will tell; until then a window like the last one.
            self.left = self._limit
            self._resets_at = now + max(1.0, self._seconds)
        if self.left < 1:
            return self._resets_at - now
        gap = self._gap(now)
        return max(0.0, self._free_at - now) if 0 < gap <= max_wait_seconds else 0.0

    def take(self, now: float) -> None:
        self._free_at = now + self._gap(now)
        self.left -= 1

    def _gap(self, now: float) -> float:
        """Seconds between requests that would use up exactly what is left."""
        if self.left < 1 or self.left > self._limit * _RESERVE:
            return 0.0
        return (self._resets_at - now) / self.left


@final
class _Leak:
    """A limit that comes back one by one."""

    def __init__(self) -> None:
        self.left = 0.0
        self._limit = 0.0
        self._rate = 1.0
        self._at = 0.0

    def told(self, quota: Quota, left: float, now: float) -> None:
        self.left = left
        self._limit = quota.limit or quota.remaining
        self._rate = quota.refill_per_second or 1.0
        self._at = now

    def seconds(self, now: float, _: float) -> float:
        self.left = min(self._limit, self.left + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (1 - self.left) / self._rate)

    def take(self, _: float) -> None:
        self.left -= 1
