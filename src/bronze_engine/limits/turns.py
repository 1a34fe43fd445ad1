"""Who is next, where the attempts of several pipelines wait: fair between the pipelines.

First come, first served over attempts would give a pipeline with 64 requests in flight 64 times
the share of one with a single request. So each pipeline has a queue of its own, and they are
served in rounds, in each of which every pipeline that waits is served once. A pipeline that was
away for less than a round misses none: it keeps the number of the round it may take part in
(start-time fair queueing with requests of one size, https://doi.org/10.1145/248156.248171).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, final

import anyio

__all__ = ["FairQueue", "Turns"]

_FORGET_FROM: Final = 64
"""So many pipelines may be remembered before those are forgotten whose round has come."""


class _Waiter(NamedTuple):
    granted: anyio.Event
    asked_at: float


@final
class FairQueue:
    """Waiters by pipeline; in the order of asking within one. Takes no time and never waits."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Waiter]] = {}
        """In the order in which pipelines came, or were served."""
        self._rounds: dict[str, int] = {}
        """The round in which a pipeline may be served next; one that has passed means now."""
        self._round = 0
        self._forget_from = _FORGET_FROM
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pipeline: str, asked_at: float | None = None) -> anyio.Event:
        """Begin to wait; what is returned is set when it is the waiter's turn.

        Who asked before, at `asked_at`, comes before those of its pipeline that asked later: a
        page that is tried again holds back all that is read behind it.
        """
        queue = self._waiting.get(pipeline)
        if queue is None:
            queue = self._waiting[pipeline] = deque()
            self._rounds.setdefault(pipeline, 0)
        waiter = _Waiter(anyio.Event(), math.inf if asked_at is None else asked_at)
        place = len(queue)
        while place and queue[place - 1].asked_at > waiter.asked_at:
            place -= 1
        queue.insert(place, waiter)
        self._count += 1
        return waiter.granted

    def remove(self, pipeline: str, granted: anyio.Event) -> None:
        """Wait no longer. Only for a waiter that was not served."""
        queue = self._waiting[pipeline]
        queue.remove(next(waiter for waiter in queue if waiter.granted is granted))
        if not queue:
            del self._waiting[pipeline]
        self._count -= 1

    def serve(self, held: Mapping[str, int] | None = None) -> str:
        """Tell the next waiter that it is its turn; the pipeline that it is of.

        With `held`, how much each pipeline holds of what is shared, those that hold the least
        come first, whatever their round. Only where somebody waits.
        """
        pipeline = self._next(held)
        queue = self._waiting[pipeline]
        queue.popleft().granted.set()
        self._count -= 1
        if not queue:
            del self._waiting[pipeline]
        elif len(self._waiting) > 1:
            self._waiting[pipeline] = self._waiting.pop(pipeline)
        self._round = max(self._round, self._rounds[pipeline])
        self._rounds[pipeline] = self._round + 1
        if len(self._rounds) > self._forget_from:
            self._forget()
        return pipeline

    def _next(self, held: Mapping[str, int] | None) -> str:
        pipelines = iter(self._waiting)
        found = next(pipelines)
        if len(self._waiting) == 1:
            return found
        if held is None:
            return min(self._waiting, key=self._rounds.__getitem__)
        least = held.get(found, 0), self._rounds[found]
        for pipeline in pipelines:
            if (mine := held.get(pipeline, 0)) > least[0]:
                continue
            if (this := (mine, self._rounds[pipeline])) < least:
                found, least = pipeline, this
        return found

    def _forget(self) -> None:
        self._rounds = {
            pipeline: number
            for pipeline, number in self._rounds.items()
            if number > self._round or pipeline in self._waiting
        }
        self._forget_from = max(_FORGET_FROM, 2 * len(self._rounds))


@final
class Turns:
    """A lock that passes from pipeline to pipeline. The fast way, when nobody has it, is free."""

    def __init__(self) -> None:
        self._queue = FairQueue()
        self._is_taken = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    async def take(self, pipeline: str) -> None:
        """Wait for the turn; `leave` ends it. Cancelled here, the caller has none."""
        if not self._is_taken:
            self._is_taken = True
            return
        granted = self._queue.add(pipeline)
        try:
            await granted.wait()
        except BaseException:
            if granted.is_set():
                self.leave()
            else:
                self._queue.remove(pipeline, granted)
            raise

    def leave(self) -> None:
        if len(self._queue):
            self._queue.serve()
        else:
            self._is_taken = False
