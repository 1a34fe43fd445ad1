"""What a hook hands to a slow consumer: bounded, in order, and off the run's path.

    async def store(events: Sequence[Event]) -> None:
        await database.insert(events)

    async with open_queue(store, name="the database") as queue:
        async with open_engine(config, hooks=[queue.put]) as engine:
            await engine.run("team.orders", run_date=date(2025, 1, 15))

The consumer is given all that has come since it was last called. The queue is entered before
the engine and left after it, so that what ends last is told too.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Generic, Protocol, TypeVar, final

import anyio

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.contracts import Hook
from bronze_engine.flow import Gate, Nap
from bronze_engine.shield import finish
from bronze_engine.telemetry.events import Event

__all__ = ["DRAIN_SECONDS", "Consumer", "Queue", "hook_of", "open_queue"]

T = TypeVar("T")

log = logging.getLogger(__name__)

CAPACITY: Final = 10_000
"""Reports of as many runs take some 20 MB."""

DRAIN_SECONDS: Final = 10.0
"""What leaving a queue waits for its consumer: a webhook that hangs must not hold a process."""


class Consumer(Protocol[T]):
    """What is told of events through a queue."""

    def pick(self, event: Event, /) -> T | None:
        """What of an event is to be taken; on the loop, quick. None leaves it."""
        ...

    async def take(self, items: Sequence[T], /) -> None:
        """Take what has been picked since the last time, in order."""
        ...


@final
class Queue(Generic[T]):
    """Made by `open_queue`. Used on the loop that it was opened on."""

    def __init__(
        self,
        consume: Callable[[Sequence[T]], Awaitable[None]],
        *,
        name: str,
        clock: Clock,
        capacity: int,
        interval_seconds: float,
    ) -> None:
        self._consume = consume
        self._name = name
        self._clock = clock
        self._items: deque[T] = deque(maxlen=capacity)
        self._interval_seconds = interval_seconds
        self._changed = Gate()
        self._nap = Nap(clock)
        self._draining: anyio.CancelScope | None = None
        self._is_closing = False
        self._lost = 0

    def put(self, item: T, /) -> None:
        """Hand on one item; never waits. A full queue loses its oldest, which is a warning."""
        if len(self._items) == self._items.maxlen:
            self._lost += 1
        self._items.append(item)
        self._changed.open()

    async def work(self) -> None:
        """Feed the consumer until the queue is closed and empty."""
        while True:
            if not self._items:
                if self._is_closing:
                    return
                await self._changed.wait()
                continue
            items = list(self._items)
            self._items.clear()
            if self._lost:
                log.warning("%s: %d items came too fast and were lost", self._name, self._lost)
                self._lost = 0
            try:
                await self._consume(items)
            except Exception:  # an observer must not decide what becomes of a run
                log.warning("%s: %d items were not taken", self._name, len(items), exc_info=True)
            await self._rest()

    def close(self) -> None:
        """Take nothing more after what is there; what rests between two calls rests no longer."""
        self._is_closing = True
        self._changed.open()
        self._nap.end()

    async def drain(self, task: asyncio.Task[None], grace_seconds: Callable[[], float]) -> None:
        """Wait for the end of `work`, at most so long; what is left then is a warning."""
        try:
            while not task.done():  # others may have used all of the time that there was
                with anyio.CancelScope() as self._draining:
                    async with self._clock.timeout(grace_seconds()):
                        await asyncio.wait([task])
        except TimeoutError:
            log.warning("%s: not done in time; what was left is lost", self._name)
        finally:
            task.cancel()
            await asyncio.wait([task])

    def hurry(self) -> None:
        """Ask anew how long `drain` may wait, if it does."""
        if self._draining is not None:
            self._draining.cancel()

    async def _rest(self) -> None:
        if self._interval_seconds <= 0 or self._is_closing:
            return
        await self._nap.take(self._interval_seconds)


def _usual_grace() -> float:
    return DRAIN_SECONDS


@asynccontextmanager
async def open_queue(
    consume: Callable[[Sequence[T]], Awaitable[None]],
    *,
    name: str,
    clock: Clock = SYSTEM_CLOCK,
    capacity: int = CAPACITY,
    interval_seconds: float = 0.0,
    grace_seconds: Callable[[], float] = _usual_grace,
) -> AsyncIterator[Queue[T]]:
    """A queue and the one task that feeds `consume`, never twice at a time.

    `interval_seconds` lie between two calls, so that much which comes together is told together;
    the first is told at once. What `consume` raises is a warning that calls it by `name`. Leaving
    waits for what is queued, `grace_seconds()` at most; cancelled, it still does. No task is left.
    """
    queue = Queue(
        consume, name=name, clock=clock, capacity=capacity, interval_seconds=interval_seconds
    )
    task = asyncio.create_task(queue.work(), name=f"bronze {name}")
    try:
        yield queue
    finally:
        queue.close()
        await finish(queue.drain, task, grace_seconds, grace_seconds=grace_seconds)


def hook_of(consumer: Consumer[T], queue: Queue[T]) -> Hook:
    """A hook that puts into the queue what the consumer picks."""

    def hook(event: Event, /) -> None:
        item = consumer.pick(event)
        if item is not None:
            queue.put(item)

    return hook
