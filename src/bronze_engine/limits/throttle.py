"""Slowing down before the server refuses: by what its answers say is left.

Answers come in any order, and tell only of requests that had arrived. So what is left is
the least that was told in this window, less all requests that are still unanswered: never
too much, and exact as soon as they are answered. While more than a tenth of a limit is left
nothing is held back. The last tenth is spread over the time to the reset, unless the gaps
were longer than `max_wait`; when nothing is left, nothing is sent until the reset.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.flow import Nap
from bronze_engine.limits.turns import Turns
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
        self._clock = clock
        self._component = component
        self._windows: dict[str, _Window | _Leak] = {}
        self._unanswered = 0
        self._turns = Turns()
        self._nap = Nap(clock)
        self._logged_at = -math.inf

    def told(self, quotas: Sequence[Quota]) -> None:
        """Take in what an answer says, before its request counts as answered."""
        now = self._clock.monotonic()
        for quota in quotas:
            window = self._windows.get(quota.name)
            if window is None:
                window = _Window() if quota.refill_per_second is None else _Leak()
                self._windows[quota.name] = window
            window.told(quota, now)

    async def acquire(self, max_wait_seconds: float, pipeline: str = "") -> None:
        """Wait until one more request may be sent; pipelines take turns.

        The caller says `answered` when it is done with it, or has not sent it. Raises
        Exhausted where nothing is left and the reset is further away than that. A cancelled
        caller has taken nothing.
        """
        if self._windows:
            await self._turns.take(pipeline)
            try:
                while (wait := self._seconds(max_wait_seconds)) > _ROUNDING_SECONDS:
                    self._log(wait)
                    await self._nap.take(wait)
                self._take()
            finally:
                self._turns.leave()
        self._unanswered += 1

    def answered(self) -> None:
        """A request that was let through is answered, has failed, or was not sent."""
        self._unanswered -= 1
        self._nap.end()  # whoever sleeps reckons anew

    def _seconds(self, max_wait_seconds: float) -> float:
        now = self._clock.monotonic()
        wait = 0.0
        for window in self._windows.values():
            seconds = window.seconds(now, self._unanswered, max_wait_seconds)
            if seconds > max_wait_seconds:
                raise Exhausted(seconds)
            wait = max(wait, seconds)
        return wait

    def _take(self) -> None:
        now = self._clock.monotonic()
        for window in self._windows.values():
            window.take(now, self._unanswered)

    def _log(self, wait: float) -> None:
        now = self._clock.monotonic()
        if now - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = now
        logger.info(
            "metric=rate_limit component=%(component)s phase=throttle remaining=%(remaining)d"
            " wait_seconds=%(wait_seconds).2f",
            {
                "metric": "rate_limit",
                "component": self._component,
                "phase": "throttle",
                "remaining": min(int(window.remaining) for window in self._windows.values()),
                "wait_seconds": wait,
            },
        )


@final
class _Window:
    """A limit that is whole again at one instant."""

    def __init__(self) -> None:
        self.remaining = 0.0
        """The least that was told in this window."""
        self._limit = 0.0
        self._resets_at = -math.inf
        self._seconds = 0.0
        self._free_at = -math.inf

    def told(self, quota: Quota, now: float) -> None:
        self._limit = quota.limit or max(quota.remaining, self._limit)
        resets_at = now + quota.reset_seconds
        tolerance = min(_SAME_RESET_SECONDS, self._seconds / 2)
        if now >= self._resets_at or abs(resets_at - self._resets_at) > tolerance:
            self._begin(quota.remaining, resets_at, quota.reset_seconds)
        else:
            self.remaining = min(self.remaining, quota.remaining)
            self._resets_at = resets_at

    def seconds(self, now: float, unanswered: int, max_wait_seconds: float) -> float:
        if now >= self._resets_at:
            # Until an answer tells of it: a window like the last one. One request is always let
            # through: where no limit was told and nothing was left, none would ever ask again.
            seconds = max(1.0, self._seconds)
            self._begin(max(1.0, self._limit), now + seconds, seconds)
        left = self.remaining - unanswered
        if left < 1:
            return self._resets_at - now
        gap = self._gap(now, left)
        return max(0.0, self._free_at - now) if 0 < gap <= max_wait_seconds else 0.0

    def take(self, now: float, unanswered: int) -> None:
        self._free_at = now + self._gap(now, self.remaining - unanswered)

    def _begin(self, remaining: float, resets_at: float, seconds: float) -> None:
        self.remaining = remaining
        self._resets_at = resets_at
        self._seconds = seconds
        self._free_at = -math.inf

    def _gap(self, now: float, left: float) -> float:
        """Seconds between requests that would use up exactly what is left."""
        if left < 1 or left > self._limit * _RESERVE:
            return 0.0
        return (self._resets_at - now) / left


@final
class _Leak:
    """A limit that comes back one by one."""

    def __init__(self) -> None:
        self.remaining = math.inf
        self._limit = 0.0
        self._rate = 1.0
        self._at = 0.0

    def told(self, quota: Quota, now: float) -> None:
        self._limit = quota.limit or quota.remaining
        self._rate = quota.refill_per_second or 1.0
        self._refill(now)
        self.remaining = min(self.remaining, quota.remaining)

    def seconds(self, now: float, unanswered: int, _max_wait_seconds: float) -> float:
        self._refill(now)
        return max(0.0, (1 - self.remaining + unanswered) / self._rate)

    def take(self, now: float, unanswered: int) -> None:
        """Nothing: the request is unanswered from now on."""

    def _refill(self, now: float) -> None:
        self.remaining = min(self._limit, self.remaining + (now - self._at) * self._rate)
        self._at = now
