"""Virtual time: what happens, in order of its instant."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

__all__ = ["Timeline"]

_START = datetime(2025, 1, 15, tzinfo=UTC)


class Timeline:
    """A `Clock` that stands where the last thing happened. Nothing sleeps on it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._number = 0
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, instant: float, happens: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._ahead, (max(instant, self._now), self._number, happens))

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        self.at(self._now + seconds, happens)

    def run(self) -> None:
        """Let everything happen."""
        while self._ahead:
            self._now, _, happens = heapq.heappop(self._ahead)
            happens()

    def monotonic(self) -> float:
        return self._now

    def now(self) -> datetime:
        return _START + timedelta(seconds=self._now)

    def uniform(self, low: float, _: float, /) -> float:
        return low

    async def sleep(self, _: float, /) -> None:
        raise NotImplementedError

    def timeout(self, _: float, /) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError
