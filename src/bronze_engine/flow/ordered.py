"""Ordered flows of bounded bytes.

`ordered` runs fetches side by side and hands their results on in order. What is in
flight is bounded by bytes, not by items: every flow has a `Lane`, and all lanes of an
engine share one `Budget`.

Why this can't deadlock: bytes are taken in order, before the read, so whoever waits for
bytes is behind everything that could give some back; a lane below its floor never
waits, and floors are set aside when a run is admitted; an item larger than the whole
budget finds its lane empty, which is below the floor, and passes alone. The true size
of an item replaces its estimate without waiting, so the overdraft is at most one item
for each fetch in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Generic, TypeVar, final

import anyio
from anyio.abc import TaskGroup

from bronze_engine.flow.budget import Lane
from bronze_engine.flow.gate import Gate
from bronze_engine.flow.groups import CANCELLED_WITHIN, ungrouped

__all__ = ["ordered"]

Item = TypeVar("Item")
Value = TypeVar("Value")


@final
class _Slot(Generic[Value]):
    """A place in the order: its bytes, then its value or its error."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.value: Value | None = None
        self.error: Exception | None = None
        self.is_done = False
        self.done = Gate()

    def finish(self) -> None:
        self.is_done = True
        self.done.open()


@final
class _Flow(Generic[Item, Value]):
    """What is in flight of one flow: `feed` takes items in and has workers fetch them, `turn` hands
    their slots out in order, `leave` and `end` give the bytes back."""

    def __init__(
        self,
        fetch: Callable[[Item], Awaitable[tuple[Value, int]]],
        lane: Lane,
        estimate: Callable[[Item], int],
        ahead: int | Callable[[], int],
    ) -> None:
        self._fetch = fetch
        self._lane = lane
        self._estimate = estimate
        self._ahead = ahead
        self._queue: deque[_Slot[Value]] = deque()
        """In order, until their turn comes."""
        self._todo: deque[tuple[Item, _Slot[Value]]] = deque()
        """Those of them that nobody fetches yet."""
        self._live: set[_Slot[Value]] = set()
        """Those whose bytes the lane holds."""
        self._resting: list[Gate] = []
        """Workers that have nothing to do."""
        self._came, self._left = Gate(), Gate()
        self._is_fed = False

    async def feed(self, items: AsyncIterable[Item], tasks: TaskGroup) -> None:
        """Take bytes for one item after the other, and let a worker fetch it: one that rests, else
        a new one in `tasks`."""
        try:
            async for item in items:
                size = self._estimate(item)
                await self._lane.take(size)
                slot = _Slot[Value](size)
                self._live.add(slot)
                self._queue.append(slot)
                self._todo.append((item, slot))
                if self._resting:
                    self._resting.pop().open()
                else:
                    tasks.start_soon(self._work)
                self._came.open()
                while len(self._queue) >= self._most_queued():
                    await self._left.wait()
        except Exception as exc:  # noqa: BLE001  # raised in its turn, after the items before
            last = _Slot[Value](0)
            last.error = exc
            last.finish()
            self._queue.append(last)
        self._is_fed = True
        self._came.open()
        for rest in self._resting:
            rest.open()

    async def _work(self) -> None:
        """Fetch items until there are no more: a new task for each would cost more than resting."""
        rest = Gate()
        while True:
            while self._todo:
                item, slot = self._todo.popleft()
                try:
                    slot.value, size = await self._fetch(item)
                    self._lane.add(size - slot.size)
                    slot.size = size
                except Exception as exc:  # noqa: BLE001  # raised in its turn
                    slot.error = exc
                slot.finish()
                del item, slot
            if self._is_fed:
                return
            self._resting.append(rest)
            await rest.wait()

    async def turn(self) -> _Slot[Value] | None:
        """The next slot in order, once it has its value or its error; None after the last."""
        while not self._queue:
            if self._is_fed:
                return None
            await self._came.wait()
        slot = self._queue.popleft()
        self._left.open()
        if not slot.is_done:
            await slot.done.wait()
        return slot

    def leave(self, slot: _Slot[Value]) -> None:
        """Its value has been emitted."""
        slot.value = None
        self._live.discard(slot)
        self._lane.add(-slot.size)

    def end(self) -> None:
        """No task of the flow is left: the lane gets back what it held for those in flight."""
        for slot in self._live:
            self._lane.add(-slot.size)

    def _most_queued(self) -> int:
        return max(1, self._ahead if isinstance(self._ahead, int) else self._ahead())


async def ordered(
    items: AsyncIterable[Item],
    fetch: Callable[[Item], Awaitable[tuple[Value, int]]],
    emit: Callable[[Value], Awaitable[bool | None]],
    *,
    lane: Lane,
    estimate: Callable[[Item], int],
    ahead: int | Callable[[], int],
) -> None:
    """Fetch items side by side and emit their values in the order of the items.

    `fetch` returns a value and its true size in bytes; `estimate` guesses that size
    before the read. At most `ahead` items (at least one) are started beyond the one being
    emitted, and no more than the lane grants. `emit` returning False ends the flow: what
    was read ahead is dropped, its faults with it. A fault of a fetch, or of `items`, is
    raised when its turn comes, so the first in order is the error of the flow. On return
    or error no task of this flow is left and the lane holds what it held before.
    """
    flow = _Flow(fetch, lane, estimate, ahead)
    is_over = False
    try:
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(flow.feed, items, tasks)
                while (slot := await flow.turn()) is not None:
                    if slot.error is not None:
                        raise slot.error
                    more = await emit(slot.value)  # type: ignore[arg-type]  # set with done
                    flow.leave(slot)
                    if more is False:
                        tasks.cancel_scope.cancel()
                        break
                is_over = True
    finally:
        flow.end()
    if not is_over:
        raise RuntimeError(CANCELLED_WITHIN)
