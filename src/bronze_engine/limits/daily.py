"""A quota of requests a day, kept over processes.

What a day has left lies in a ledger that all processes share; each takes a block of it
before it sends, so neither a crash nor several processes can send more than the quota. A
crash loses at most one block, a hundredth of the quota; a process that ends gives back
what it has not used.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final, Protocol, final
from zoneinfo import ZoneInfo

import anyio

from bronze_engine.clock import Clock
from bronze_engine.limits.throttle import Exhausted

__all__ = ["DailyQuota", "Ledger", "ProcessLedger"]

_BLOCKS: Final = 100
_LARGEST_BLOCK: Final = 1000


class Ledger(Protocol):
    """Where the requests of each day are counted."""

    async def take(self, name: str, day: date, limit: int, count: int) -> int:
        """Take `count` of the day's `limit`, or what is left of it; how many were taken."""
        ...

    async def give_back(self, name: str, day: date, count: int) -> None:
        """Return what was taken and not used; nothing where the day is over."""
        ...


@final
class ProcessLedger:
    """Counts in this process alone: for tools that have no state store."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, date], int] = {}

    async def take(self, name: str, day: date, limit: int, count: int) -> int:
        taken = self._taken.get((name, day), 0)
        count = max(0, min(count, limit - taken))
        self._taken[name, day] = taken + count
        return count

    async def give_back(self, name: str, day: date, count: int) -> None:
        self._taken[name, day] = self._taken.get((name, day), 0) - count


@final
class DailyQuota:
    """At most `limit` requests from one midnight of `zone` to the next."""

    def __init__(
        self, name: str, limit: int, zone: ZoneInfo, *, ledger: Ledger, clock: Clock
    ) -> None:
        self.name = name
        self.limit = limit
        self.zone = zone
        self._ledger = ledger
        self._clock = clock
        self._block = min(_LARGEST_BLOCK, max(1, limit // _BLOCKS))
        self._left = 0
        self._day: date | None = None
        self._ends: datetime | None = None
        self._turn = anyio.Lock(fast_acquire=True)

    async def acquire(self, max_wait_seconds: float) -> None:
        """Take one request of the day.

        Waits for midnight where nothing is left; raises Exhausted where that is further
        away than `max_wait_seconds`, and what the ledger's store raises. A cancelled caller
        has taken none.
        """
        if self._take():
            return
        async with self._turn:
            while not self._take():
                day, ends = self._today()
                taken = await self._ledger.take(self.name, day, self.limit, self._block)
                if day != self._day:
                    self._day, self._ends, self._left = day, ends, 0
                self._left += taken
                if not taken and not self._left:
                    seconds = (ends - self._clock.now()).total_seconds()
                    if seconds > max_wait_seconds:
                        raise Exhausted(seconds)
                    await self._clock.sleep(seconds)

    def give_back(self) -> None:
        """Return a request that was taken and not sent. Does not wait."""
        self._left += 1

    async def aclose(self) -> None:
        """Give back to the ledger what is left of the block."""
        left, self._left = self._left, 0
        if left and self._day is not None:
            await self._ledger.give_back(self.name, self._day, left)

    def _take(self) -> bool:
        if self._left < 1 or self._ends is None or self._clock.now() >= self._ends:
            return False
        self._left -= 1
        return True

    def _today(self) -> tuple[date, datetime]:
        """The day in the zone, and the instant at which the next one begins."""
        day = self._clock.now().astimezone(self.zone).date()
        return day, datetime.combine(day + timedelta(days=1), time(), self.zone)
