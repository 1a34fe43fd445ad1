"""How many attempts may be in flight at once: a fixed number, or one that is found.

The search compares levels, not absolute latencies. By Little's law throughput is the
number in flight over the latency, so raising the limit g times and seeing the latency
rise r times means g/r times the throughput. A raise is kept when it brought at least half
of what it could have brought; otherwise the level at which the old latency would hold,
limit x old / new, is just what the server can do at once (the gradient of Netflix's
concurrency-limits), and the raised level becomes the ceiling. Below a ceiling the search
goes on by halves (as TCP BIC does); a ceiling that was reached is forgotten after a
while, since servers recover. There is no all-time minimum latency to compare with, as
TCP Vegas has it: deep pages are slower than the first ones, and that is no congestion.

Where the latency rises at an unchanged limit, the limit is halved for as long as the
throughput stays: then the requests only queued. Where the throughput falls with it, the
server has become slower for other reasons, and the limit goes back up.

A level is judged by its second round; in the first the change still works through. Only
while doubling half a round of constant latency is enough, so that the limit doubles
each round trip: 4 to 200 within six.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, final

import anyio

__all__ = ["MAX_LIMIT", "Concurrency"]

INITIAL_LIMIT: Final = 4
MAX_LIMIT: Final = 200
"""Past this one process gains nothing: its own CPU is the limit at some 3,000 requests/s."""

_SHORTEST_SECONDS: Final = 1e-6
_BACKOFF: Final = 0.7
_CAUTIOUS_GROWTH: Final = 1.25
"""How a forgotten ceiling is tested again; before the first ceiling the limit doubles."""
_LARGE_RAISE: Final = 1.5
_LATENCY_SHIFT: Final = 2.0
"""At an unchanged limit the latency may vary so much before it counts as rising."""
_STEADY: Final = 1.3
"""Latency over the base's up to which half a round is enough to go on doubling."""
_KEPT: Final = 0.9
"""Share of the throughput that must be left after the limit was halved: then it only queued."""
_LEAST_RESULTS: Final = 50
_FAILED_SHARE: Final = 0.05
"""More than that, and at least two: one failure in a window is chance, not load."""
_HOLD_WINDOWS: Final = 32
"""Windows at a ceiling before it is forgotten."""


@final
class Concurrency:
    """Slots for attempts, given in the order of asking. Decides without a clock or chance."""

    def __init__(self, concurrency: int | Literal["auto"]) -> None:
        self._search = _Search() if concurrency == "auto" else None
        self._fixed = INITIAL_LIMIT if concurrency == "auto" else concurrency
        self.in_flight = 0
        self._waiters: deque[anyio.Event] = deque()

    @property
    def limit(self) -> int:
        return self._fixed if self._search is None else self._search.limit

    @property
    def is_fixed(self) -> bool:
        return self._search is None

    @property
    def waiting(self) -> int:
        """Attempts that wait for a slot."""
        return len(self._waiters)

    @property
    def level(self) -> int:
        """Changes whenever the limit does: hand it to `observe` as it was at the start."""
        return 0 if self._search is None else self._search.level

    async def acquire(self) -> None:
        """Take a slot, in the order of asking. A cancelled caller holds none."""
        if self.in_flight < self.limit and not self._waiters:
            self._take()
            return
        granted = anyio.Event()
        self._waiters.append(granted)
        try:
            await granted.wait()
        except BaseException:
            if granted.is_set():
                self.release()
            else:
                self._waiters.remove(granted)
            raise

    def release(self) -> None:
        self.in_flight -= 1
        self._grant()

    def observe(self, level: int, seconds: float, *, failed: bool) -> None:
        """Learn from one attempt that began at `level`: how long it took, or that it failed.

        Failed means 429, 5xx, a timeout or a broken connection; anything else that says
        nothing about the load is not reported here.
        """
        if self._search is not None and self._search.observe(level, seconds, failed=failed):
            self._grant()

    def _take(self) -> None:
        self.in_flight += 1
        if self._search is not None and self.in_flight >= self._search.limit:
            self._search.is_wanted = True

    def _grant(self) -> None:
        while self._waiters and self.in_flight < self.limit:
            self._take()
            self._waiters.popleft().set()


@final
class _Search:
    """The limit that is being found, window by window."""

    def __init__(self) -> None:
        self.limit = INITIAL_LIMIT
        self.level = 0
        self.is_wanted = False
        """Whether all slots were in use in this window; without demand nothing grows."""
        self._ceiling: int | None = None
        self._has_met_ceiling = False
        self._held_windows = 0
        self._base_limit = INITIAL_LIMIT
        """The last level that was good, and its latency; None until it is measured."""
        self._base_seconds: float | None = None
        self._results = 0
        """Seen at this level, at most as many as make a window."""
        self._forget()

    def observe(self, level: int, seconds: float, *, failed: bool) -> bool:
        """Take one result in; True when it changed the limit."""
        if level != self.level:
            return False
        self._results += 1
        if failed:
            self._failed += 1
        else:
            self._succeeded += 1
            self._seconds += seconds
        if not self._is_full():
            if self._results == self.limit:
                self._forget()  # the round in which the change of level still works through
            return False
        before = self.limit
        self._decide()
        self._results = 0 if self.limit != before else self.limit
        self._forget()
        self.is_wanted = False
        return self.limit != before

    def _forget(self) -> None:
        self._failed = self._succeeded = 0
        self._seconds = 0.0

    def _is_full(self) -> bool:
        """Whether the window holds enough results to judge the level by."""
        if self._results >= self.limit + max(_LEAST_RESULTS, self.limit):
            return True
        # The quickest answers come first. Half a round is enough to see that nothing changed,
        # and not enough to measure a change by.
        if self._failed or self._has_met_ceiling or self._succeeded < max(4, self.limit // 2):
            return False
        base = self._base_seconds
        return base is None or self._seconds <= _STEADY * base * self._succeeded

    def _decide(self) -> None:
        """End a window: judge the present level, then choose the next."""
        raised_by = self.limit / self._base_limit
        if self._failed >= max(2, _FAILED_SHARE * (self._failed + self._succeeded)):
            # A level that was raised goes back to the last good one, which still worked.
            self._set_ceiling()
            self._rest(self._base_limit if raised_by > 1 else int(self.limit * _BACKOFF))
            return
        latency = max(_SHORTEST_SECONDS, self._seconds / self._succeeded)
        base = self._base_seconds
        if base is None or raised_by == 1:
            if base is not None and latency > base * _LATENCY_SHIFT:
                self._set_ceiling()
                self._base_seconds = latency
                self._move(self.limit // 2)
                return
        elif raised_by < 1:
            if raised_by * base / latency > _KEPT:  # as much in less: it was queueing
                self._base_limit, self._base_seconds = self.limit, latency
                self._move(self.limit // 2)
            else:
                self._move(self._base_limit)
            return
        elif raised_by * base / latency < 1 + (raised_by - 1) / 2:
            self._set_ceiling()
            # A base that was low by chance must not stay, so it is measured anew. A small change
            # drowns in noise; a large one tells how much the server can do at once, perhaps
            # less than the base, where that was measured before its queue had built up.
            estimate = max(self._base_limit // 2, round(self.limit * base / latency))
            self._rest(estimate if raised_by >= _LARGE_RAISE else self._base_limit)
            return
        self._base_limit, self._base_seconds = self.limit, latency
        if self.is_wanted:
            self._move(self._higher())

    def _set_ceiling(self) -> None:
        self._ceiling = self.limit
        self._has_met_ceiling = True
        self._held_windows = 0

    def _rest(self, limit: int) -> None:
        """Go to a level and measure it anew."""
        self._move(limit)
        self._base_limit, self._base_seconds = self.limit, None

    def _higher(self) -> int:
        if self._ceiling is None:
            growth = _CAUTIOUS_GROWTH if self._has_met_ceiling else 2
            return max(self.limit + 1, int(self.limit * growth))
        if self._ceiling - self.limit > max(1, self.limit // 10):
            return (self.limit + self._ceiling) // 2
        self._held_windows += 1
        if self._held_windows >= _HOLD_WINDOWS:
            self._ceiling = None
        return self.limit

    def _move(self, limit: int) -> None:
        limit = min(MAX_LIMIT, max(1, limit))
        if limit != self.limit:
            self.limit = limit
            self.level += 1
