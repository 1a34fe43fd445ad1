"""Whether Redis is there: told once when it is lost, tried again now and then."""

from __future__ import annotations

import logging
import math
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.limits.tokens import SETTLING_SECONDS

__all__ = ["Link"]

logger = logging.getLogger(__name__)

_FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 8.0
"""A server that does not even refuse costs a second at each try; the settling of a share
(`SETTLING_SECONDS`) is longer than two tries are apart."""


@final
class Link:
    """One process's view of the server."""

    def __init__(self, clock: Clock, name: str) -> None:
        """`name` is shown to people and holds no secret."""
        self._clock = clock
        self._name = name
        self._is_lost = False
        self._try_at = -math.inf
        self._wait = _FIRST_SECONDS
        self.regained_at: float | None = None
        """Since when it is there again; None where it was never lost, or is."""

    @property
    def was_lost(self) -> bool:
        """Whether it is lost, or was just now: it may have forgotten what it counted."""
        if self._is_lost or self.regained_at is None:
            return self._is_lost
        return self._clock.monotonic() - self.regained_at < SETTLING_SECONDS

    def may_try(self) -> bool:
        """Whether to ask it now; while it is lost one caller at a time is let through."""
        if not self._is_lost:
            return True
        now = self._clock.monotonic()
        if now < self._try_at:
            return False
        self._wait = min(_LONGEST_SECONDS, self._wait * 2)
        self._try_at = now + self._wait
        return True

    def lost(self, exc: Exception) -> None:
        """It did not answer, or refused."""
        if self._is_lost:
            return
        self._is_lost = True
        self.regained_at = None
        self._wait = _FIRST_SECONDS
        self._try_at = self._clock.monotonic() + self._wait
        logger.warning(
            "engine.limits: %s can't be used (%s: %s); until it can, this process keeps to its "
            "share of each shared limit",
            self._name,
            type(exc).__name__,
            str(exc).rstrip("."),
        )

    def reached(self) -> None:
        """It answered as it should."""
        if self._is_lost:
            self._is_lost = False
            self.regained_at = self._clock.monotonic()
            logger.info("engine.limits: %s can be used again; limits are shared", self._name)
