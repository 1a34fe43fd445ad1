"""A clock that stands still until a test moves it.

anyio's deadlines run on the real clock, so nothing here uses one: a sleep is an event
and a timeout a cancel scope, and both lie in one queue, ordered by instant.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar, final

import anyio
import anyio.lowlevel
import msgspec

from bronze_engine.workers import JobEnd

__all__ = ["ManualClock", "Waiting"]

T = TypeVar("T")

_QUIET_PASSES: Final = 4
"""Passes of the loop without a runnable task before it counts as blocked. A result may
still be on its way through chained callbacks (thread, future, gather), one a pass."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits on a ManualClock."""

    until: float
    """The instant, in terms of `monotonic()`."""
    kind: Literal["sleep", "timeout"]
    task: str
    """Name of the task that waits."""


@final
class _Timer:
    """An instant and what happens then."""

    def __init__(self, waiting: Waiting, fire: Callable[[], object]) -> None:
        self.waiting = waiting
        self.fire = fire
        self.is_done = False


@final
class ManualClock:
    """Implements `Clock` on manual time: it begins at `start` and `monotonic()` 0.0.

    `fractions` decides `uniform`: low + fraction x (high - low), each in turn, over and
    over; the default always gives `low`. Only one task at a time should move the clock.
    """

    def __init__(
        self,
        *,
        start: datetime = datetime(2025, 1, 15, tzinfo=UTC),
        fractions: Sequence[float] = (0.0,),
    ) -> None:
        self._start = start
        self._elapsed = 0.0
        self._fractions = itertools.cycle(fractions)
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._sleepers = 0
        self._slept = anyio.Event()
        self._settling: set[asyncio.Task[Any] | None] = set()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def uniform(self, low: float, high: float, /) -> float:
        return low + next(self._fractions) * (high - low)

    async def sleep(self, seconds: float, /) -> None:
        """Wait until the clock was moved so far; zero or less yields to the loop once."""
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        timer = self._push(seconds, "sleep", woken.set)
        self._sleepers += 1
        self._slept.set()
        try:
            await woken.wait()
        finally:
            self._sleepers -= 1
            timer.is_done = True

    def timeout(self, seconds: float, /) -> AbstractAsyncContextManager[None]:
        return self._timeout(seconds)

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncIterator[None]:
        with anyio.CancelScope() as scope:
            timer = None
            if seconds <= 0:
                scope.cancel()
            else:
                timer = self._push(seconds, "timeout", scope.cancel)
            try:
                yield
            finally:
                if timer is not None:
                    timer.is_done = True
        if scope.cancelled_caught:
            raise TimeoutError

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What sleeps, and which timeouts are running, by instant."""
        return tuple(timer.waiting for _, _, timer in sorted(self._timers) if not timer.is_done)

    async def settle(self) -> None:
        """Let every task run until all of them are blocked. The time stays as it is."""
        me = asyncio.current_task()
        self._settling.add(me)
        # What asyncio's own loop is to call next; of another loop every task is asked each time.
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        quiet = 0
        try:
            while quiet < _QUIET_PASSES:
                await anyio.lowlevel.checkpoint()
                if ready is not None and len(self._settling) == 1:
                    # Nobody else asks, so whatever is there is somebody's to run: while it is,
                    # and until it has not been for long enough, the tasks need not be walked
                    # over. With hundreds of them that was four fifths of a simulation's time.
                    if ready:
                        quiet = 0
                        continue
                    if quiet < _QUIET_PASSES - 1:
                        quiet += 1
                        continue
                others = asyncio.all_tasks() - self._settling
                # The attribute by which anyio's own wait_all_tasks_blocked decides; that one polls
                # every 100 ms of real time, which is what this clock is there to avoid.
                waiters = [getattr(task, "_fut_waiter", None) for task in others]
                jobs = [each for each in waiters if isinstance(each, JobEnd) and not each.done()]
                if any(each is None or each.done() for each in waiters):
                    quiet = 0
                elif jobs:
                    # Time must not pass a thread by. Asking again and again whether it is done
                    # would keep the interpreter's lock from it: fifty times as slow at worst.
                    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                    quiet = 0
                else:
                    quiet += 1
        finally:
            self._settling.discard(me)

    async def step(self) -> None:
        """Wait until all tasks are blocked and something sleeps; move to the earliest instant.

        Wakes exactly what waits for that instant, and returns when all tasks are blocked
        again. A running timeout is passed or fired in its turn, but does not count as
        sleeping: a task may be waiting inside it for a real socket, which needs real
        time. Where nothing sleeps, this waits (really) until something does; move the
        clock into a timeout with `advance`.
        """
        await self.settle()
        while not self._sleepers:
            self._slept = anyio.Event()
            await self._slept.wait()
            await self.settle()
        self._jump()
        await self.settle()

    async def advance(self, seconds: float, /) -> None:
        """Move on by `seconds`, through each instant on the way, in order.

        At each one exactly what waits for it is woken, and runs until it blocks, before
        the clock moves on.
        """
        target = self._elapsed + seconds
        await self.settle()
        while (earliest := self._earliest()) is not None and earliest <= target:
            self._jump()
            await self.settle()
        self._elapsed = target

    async def drive(self, work: Coroutine[Any, Any, T], /) -> T:
        """Run `work` to its end, stepping the clock whenever everything sleeps."""

        async def steps() -> None:
            while True:
                await self.step()

        stepper = asyncio.create_task(steps())
        try:
            return await work
        finally:
            stepper.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([stepper])

    def _push(
        self, seconds: float, kind: Literal["sleep", "timeout"], fire: Callable[[], object]
    ) -> _Timer:
        task = asyncio.current_task()
        until = self._elapsed + seconds
        waiting = Waiting(until=until, kind=kind, task=task.get_name() if task else "")
        timer = _Timer(waiting, fire)
        heapq.heappush(self._timers, (until, next(self._order), timer))
        return timer

    def _earliest(self) -> float | None:
        while self._timers and self._timers[0][2].is_done:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _jump(self) -> None:
        instant = self._earliest()
        if instant is None:
            return
        self._elapsed = instant
        while self._earliest() == instant:
            _, _, timer = heapq.heappop(self._timers)
            timer.is_done = True
            timer.fire()
