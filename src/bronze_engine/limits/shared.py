"""A bucket that several processes share, and a process's own share while they can't.

Tokens are reserved at the server in the order of asking, each for an instant; the process
waits for it by itself. So a token costs one round trip, and processes that all want more than
there is get equally much. Many waiters reserve together, for 10 ms, or for as long as a round trip
takes: one token a round trip would be less than the rate where the server is far away.

A reserved token whose waiter was cancelled goes to the next one. It is lost where none comes
soon: used later it would make a burst of its own.

Without the server a process keeps to its share, the rate over the number of processes that
were seen last, with an empty bucket at first. When the server is back both must grant, until
all the others have found it too: nobody takes the whole rate while others keep to shares.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.limits.pace import SteadyPace
from bronze_engine.limits.sample import BucketLog
from bronze_engine.limits.tokens import (
    AHEAD_SECONDS,
    MOST_AHEAD_SECONDS,
    SETTLING_SECONDS,
    SharedRate,
    Tokens,
)
from bronze_engine.limits.turns import Turns
from bronze_engine.shield import finish

__all__ = ["SharedBucket"]

_STALE_SECONDS: Final = 0.1
"""A process that was held up has lost its token: at most so much comes late."""
_GRACE_SECONDS: Final = 1.0
"""A cancelled caller waits for an answer that is under way: a broken off one costs a
connection and a token."""
_ROUNDING_SECONDS: Final = 1e-9


@final
class SharedBucket:
    """Implements `Bucket` over `Tokens`."""

    def __init__(
        self,
        rate: SharedRate,
        tokens: Tokens,
        *,
        clock: Clock,
        component: str,
        pause: Callable[[float], object],
    ) -> None:
        """`pause` is told for how long a server wants to be left alone, by another process."""
        self._shared = rate
        self._is_steady = rate.kind == "second"
        self._tokens = tokens
        self._clock = clock
        self._pause = pause
        self._turns = Turns()
        self._log = BucketLog(clock, component)
        self._due: deque[float] = deque()
        """When the tokens that are reserved and not used may be, soonest first."""
        self._ahead_seconds = AHEAD_SECONDS
        """What is reserved at once: as much as comes due during a round trip."""
        self._processes = tokens.processes
        self._share: SteadyPace | None = None
        """Kept to while the server is not reached, and for a while after it is back."""
        self._left = float(rate.capacity)
        self._left_at = clock.monotonic()

    @property
    def rate(self) -> float:
        return self._shared.rate

    @property
    def capacity(self) -> int:
        return self._shared.capacity

    @property
    def tokens(self) -> float:
        """As the last answer of the server lets think; it is not asked."""
        now = self._clock.monotonic()
        if self._share is not None:
            return self._share.tokens(now)
        refilled = (now - self._left_at) * self.rate if self._is_steady else 0.0
        return min(float(self.capacity), self._left + refilled)

    async def acquire(self, pipeline: str = "") -> None:
        await self._turns.take(pipeline)
        try:
            waited = False
            while (wait := await self._seconds_to_token()) > _ROUNDING_SECONDS:
                waited = True
                await self._clock.sleep(wait)
            self._log.acquired(self, waited=waited)
        finally:
            self._turns.leave()

    def give_back(self) -> None:
        """It is lost: others may have reserved the instants that follow it."""

    async def _seconds_to_token(self) -> float:
        """Zero, and a token is taken; else how long to wait before asking again."""
        share = self._share_now()
        now = self._clock.monotonic()
        if share is not None and (wait := share.seconds_to_token(now)) > _ROUNDING_SECONDS:
            return wait
        while self._due and now - self._due[0] > _STALE_SECONDS:
            self._due.popleft()
        if not self._due and not await finish(self._lease, grace_seconds=lambda: _GRACE_SECONDS):
            share = share or self._keep_to_share()
        now = self._clock.monotonic()
        wait = max(
            self._due[0] - now if self._due else 0.0,
            share.seconds_to_token(now) if share is not None else 0.0,
        )
        if wait <= _ROUNDING_SECONDS:
            if self._due:
                self._due.popleft()
            if share is not None:
                share.take(now)
        return wait

    async def _lease(self) -> bool:
        """Reserve for those that wait. False where the server is not reached."""
        ahead = 0
        if self._share is None:
            ahead = min(self._turns.waiting, int(self.rate * self._ahead_seconds))
        asked = self._clock.monotonic()
        lease = await self._tokens.lease(self._shared, 1 + ahead)
        if lease is None:
            return False
        now = self._clock.monotonic()
        self._ahead_seconds = min(MOST_AHEAD_SECONDS, max(AHEAD_SECONDS, now - asked))
        self._due.extend(now + seconds for seconds in lease.due_seconds)
        self._processes = lease.processes
        self._left, self._left_at = lease.tokens, now
        if lease.pause_seconds > 0:
            self._pause(lease.pause_seconds)
        return True

    def _share_now(self) -> SteadyPace | None:
        """The share that must grant too, while the server is lost and until it is settled."""
        regained = self._tokens.regained_at
        if regained is None:
            return self._share
        settles = SETTLING_SECONDS + (0.0 if self._is_steady else 60.0)  # a minute's log is whole
        if self._clock.monotonic() - regained >= settles:
            self._share = None
        elif self._share is None:
            self._keep_to_share()
        return self._share

    def _keep_to_share(self) -> SteadyPace:
        """Begin with an empty bucket: what it held may have been taken by others."""
        capacity = max(1, self.capacity // self._processes) if self._is_steady else 1
        rate = self.rate / self._processes
        self._share = SteadyPace(rate, capacity, self._clock.monotonic() + capacity / rate)
        return self._share
