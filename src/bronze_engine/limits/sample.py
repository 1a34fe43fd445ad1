"""Log lines now and then, not for each request; among them those of how a bucket stands."""

from __future__ import annotations

import logging
import math
from typing import Final, Protocol, final

from bronze_engine.clock import Clock

__all__ = ["BucketLog", "Sample"]

logger = logging.getLogger(__name__)

_INFO_SECONDS: Final = 10.0
"""A limited run waits all the time; a line every ten seconds shows that it does."""
_DEBUG_SECONDS: Final = 1.0


@final
class Sample:
    """Which lines are logged: news at INFO, one in ten seconds; all else at DEBUG, one in one."""

    def __init__(self) -> None:
        self._info_at = -math.inf
        self._debug_at = -math.inf

    def level(self, now: float, *, is_news: bool) -> int | None:
        """At which level to log; None where a line has just been."""
        if is_news and now - self._info_at >= _INFO_SECONDS:
            level, self._info_at = logging.INFO, now
        elif now - self._debug_at >= _DEBUG_SECONDS:
            level = logging.DEBUG
        else:
            return None
        self._debug_at = now
        return level


class Level(Protocol):
    """What the lines tell of a bucket."""

    @property
    def rate(self) -> float: ...

    @property
    def capacity(self) -> int: ...

    @property
    def tokens(self) -> float: ...


@final
class BucketLog:
    """Tells how one bucket stands: where it makes wait at INFO, otherwise at DEBUG."""

    def __init__(self, clock: Clock, component: str) -> None:
        self._clock = clock
        self._component = component
        self._sample = Sample()

    def acquired(self, bucket: Level, *, waited: bool) -> None:
        """A token was taken, at once or after a wait."""
        level = self._sample.level(self._clock.monotonic(), is_news=waited)
        if level is None:
            return
        logger.log(
            level,
            "metric=rate_limit component=%(component)s phase=acquire tokens=%(tokens).2f"
            " capacity=%(capacity)d rate=%(rate).2f",
            {
                "metric": "rate_limit",
                "component": self._component,
                "phase": "acquire",
                "tokens": max(0.0, bucket.tokens),
                "capacity": bucket.capacity,
                "rate": bucket.rate,
            },
        )
