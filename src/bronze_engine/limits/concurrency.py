"""How many attempts may be in flight at once: slots, shared fairly by the pipelines."""

from __future__ import annotations

from typing import Literal, final

from bronze_engine.limits.adaptive import INITIAL_LIMIT, Outcome, Search
from bronze_engine.limits.turns import FairQueue

__all__ = ["Concurrency"]


@final
class Concurrency:
    """Slots for attempts: a fixed number, or one that is found. Knows neither clock nor chance.

    A free slot goes to the pipeline that holds the fewest of those that wait: a slow endpoint
    with many requests does not take all of them from a quick one.
    """

    def __init__(self, concurrency: int | Literal["auto"]) -> None:
        self.search = Search() if concurrency == "auto" else None
        self._fixed = INITIAL_LIMIT if concurrency == "auto" else concurrency
        self.in_flight = 0
        self._waiters = FairQueue()
        self._held: dict[str, int] = {}

    @property
    def limit(self) -> int:
        return self._fixed if self.search is None else self.search.limit

    @property
    def is_fixed(self) -> bool:
        return self.search is None

    @property
    def waiting(self) -> int:
        """Attempts that wait for a slot."""
        return len(self._waiters)

    def begin(self) -> int:
        """Count an attempt that begins now; the number is for `observe`."""
        return 0 if self.search is None else self.search.begin()

    def take(self, pipeline: str = "") -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if len(self._waiters) or self.in_flight >= self.limit:
            return False
        self._take(pipeline)
        return True

    async def acquire(self, pipeline: str = "", asked_at: float | None = None) -> None:
        """Take a slot, in the order of asking within a pipeline; `asked_at` is when that was, of
        an attempt that is not the first. A cancelled caller holds none."""
        if self.take(pipeline):
            return
        granted = self._waiters.add(pipeline, asked_at)
        try:
            await granted.wait()
        except BaseException:
            if granted.is_set():
                self.release(pipeline)
            else:
                self._waiters.remove(pipeline, granted)
            raise

    def release(self, pipeline: str = "") -> None:
        self.in_flight -= 1
        left = self._held[pipeline] - 1
        if left:
            self._held[pipeline] = left
        else:
            del self._held[pipeline]
        self._grant()

    def observe(self, number: int, seconds: float, outcome: Outcome) -> bool:
        """Learn from the attempt of this number, before its slot is released.

        True when that changed the limit. Call it for every attempt, whatever became of it.
        """
        search = self.search
        if search is None or not search.observe(number, seconds, outcome, self.in_flight):
            return False
        self._grant()
        return True

    def _take(self, pipeline: str) -> None:
        self.in_flight += 1
        self._held[pipeline] = self._held.get(pipeline, 0) + 1
        if self.search is not None and self.in_flight >= self.search.limit:
            self.search.is_wanted = True

    def _grant(self) -> None:
        while len(self._waiters) and self.in_flight < self.limit:
            self._take(self._waiters.serve(self._held))
