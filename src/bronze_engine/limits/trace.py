"""How a group came to its number of attempts in flight: told, logged, and kept for reports."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.contracts import Hook
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.sample import Sample
from bronze_engine.model.concurrency import ConcurrencyChange, ConcurrencyTrace
from bronze_engine.telemetry.events import ConcurrencyChanged

__all__ = ["Trace"]

logger = logging.getLogger(__name__)

_KEPT: Final = 100
"""The newest changes; a climb is one of them."""
_PAUSE_SECONDS: Final = 0.5
"""At least so far apart are the refusals of two bursts."""


@final
class Trace:
    """What has become of one group's limit. Free of cost while the limit stays."""

    def __init__(
        self,
        concurrency: Concurrency,
        *,
        clock: Clock,
        publish: Hook,
        group: str,
        component: str,
    ) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._publish = publish
        self._group = group
        self._component = component
        self._changes: deque[tuple[float, int, str]] = deque(maxlen=_KEPT)
        self._sample = Sample()

    def changed(self) -> None:
        """Note the limit that has just been chosen."""
        search = self._concurrency.search
        if search is None:
            return
        now, limit, reason = self._clock.monotonic(), search.limit, search.reason
        goes_on = bool(self._changes) and _goes_on(self._changes[-1], now, limit, reason)
        if goes_on:
            self._changes.pop()
        self._changes.append((now, limit, reason))
        self._publish(
            ConcurrencyChanged(
                group=self._group, component=self._component, limit=limit, reason=reason
            )
        )
        self._log(now, limit, reason, is_news=not goes_on)

    def since(self, instant: float) -> ConcurrencyTrace:
        """The limit as it is, and how it came to it since an instant of `Clock.monotonic`."""
        return ConcurrencyTrace(
            limit=self._concurrency.limit,
            is_found=not self._concurrency.is_fixed,
            changes=tuple(
                ConcurrencyChange(seconds=round(at - instant, 3), limit=limit, reason=reason)
                for at, limit, reason in self._changes
                if at >= instant
            ),
        )

    def _log(self, now: float, limit: int, reason: str, *, is_news: bool) -> None:
        """Say where it stands, at INFO now and then; the steps of a climb at DEBUG."""
        level = self._sample.level(now, is_news=is_news and reason != "start")
        if level is None:
            return
        logger.log(
            level,
            "metric=concurrency component=%(component)s limit=%(limit)d reason=%(reason)s",
            {
                "metric": "concurrency",
                "component": self._component,
                "limit": limit,
                "reason": reason,
            },
        )


def _goes_on(last: tuple[float, int, str], now: float, limit: int, reason: str) -> bool:
    """Whether a change is one more step of the same climb, or of the same burst of refusals."""
    at, before, why = last
    is_step = now - at < _PAUSE_SECONDS if reason == "refused" else limit == before + 1
    return why == reason and is_step
