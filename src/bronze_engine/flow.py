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

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar, final

import anyio

__all__ = ["Budget", "Gate", "Lane", "each", "ordered", "single"]

Item = TypeVar("Item")
Value = TypeVar("Value")


def single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error a caller should see out of a group; the others become its notes.

    Exits (cancellation, KeyboardInterrupt) come before errors, then the order of the group.
    """
    leaves: list[BaseException] = []

    def walk(inner: BaseExceptionGroup[BaseException]) -> None:
        for exc in inner.exceptions:
            if isinstance(exc, BaseExceptionGroup):
                walk(exc)
            else:
                leaves.append(exc)

    walk(group)
    leaves.sort(key=lambda exc: isinstance(exc, Exception))
    for other in leaves[1:]:
        leaves[0].add_note(f"also: {other!r}")
    return leaves[0]


async def each(
    items: Iterable[Item], function: Callable[[Item], Awaitable[None]], *, at_once: int
) -> None:
    """Call `function` for every item, `at_once` side by side; the first error ends the others."""
    todo = iter(items)

    async def work() -> None:
        for item in todo:
            await function(item)

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(at_once):
                tasks.start_soon(work)
    except BaseExceptionGroup as group:
        error = single(group)
        raise error from error.__cause__  # hides the group, keeps what the error came from


@final
class Gate:
    """Where a task waits for a change that another tells of.

    An event that exists only while somebody waits: where the change has already come, the
    caller sees that in its own state and goes on, without a turn of the event loop. With
    one page in a millisecond those turns are a third of what the loop does (measured), and
    anyio's event costs 5 us more a wait than the loop's own, which is what is behind it.
    """

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    async def wait(self) -> None:
        """Wait for the next `open`; look at the state again afterwards."""
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()

    def open(self) -> None:
        """Wake all who wait now."""
        if self._event is not None:
            self._event.set()
            self._event = None


@final
class _Waiter:
    """One request for bytes, granted in the order of asking."""

    def __init__(self, lane: Lane, size: int) -> None:
        self.lane = lane
        self.size = size
        self.is_granted = False
        self.granted = Gate()

    def grant(self) -> None:
        self.lane.add(self.size)
        self.is_granted = True
        self.granted.open()


@final
class Budget:
    """The bytes that all flows of one engine may hold together.

    `limit_bytes` is split in two: what admitted runs have reserved (their encoders and
    the floors of their lanes), and a pool that every lane above its floor draws from.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.reserved_bytes = 0
        self.pooled_bytes = 0
        self.kept_bytes = 0
        self._waiters: deque[_Waiter] = deque()
        self._admissions: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def reserve(
        self, size_bytes: int, *, on_wait: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Set `size_bytes` aside for the body: first come, first served, all or nothing.

        `on_wait` is called once if the bytes are not free yet. A size above the limit is
        granted when nothing else is reserved, so the caller checks the minimum beforehand.
        """
        ticket = (size_bytes, anyio.Event())
        self._admissions.append(ticket)
        self._admit()
        try:
            if not ticket[1].is_set() and on_wait is not None:
                on_wait()
            await ticket[1].wait()
        except BaseException:
            if ticket[1].is_set():
                self.reserved_bytes -= size_bytes
                self.wake()
            else:
                self._admissions.remove(ticket)
            self._admit()
            raise
        try:
            yield
        finally:
            self.release(size_bytes)

    def reserve_now(self, size_bytes: int) -> bool:
        """Set `size_bytes` aside if they are free and nobody waits for theirs; never waits.

        What was granted is given back by `release`.
        """
        if self._admissions or self.reserved_bytes + size_bytes > self.limit_bytes:
            return False
        self.reserved_bytes += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        """Give back what was set aside."""
        self.reserved_bytes -= size_bytes
        self._admit()
        self.wake()

    def _admit(self) -> None:
        while self._admissions:
            size, event = self._admissions[0]
            if self.reserved_bytes and self.reserved_bytes + size > self.limit_bytes:
                return
            self._admissions.popleft()
            self.reserved_bytes += size
            event.set()

    def keep(self, size_bytes: int) -> bool:
        """Take bytes of the pool that a run keeps to its end (negative gives back); never waits.

        False, and nothing taken, where all that runs keep would pass half of what is not
        reserved: the other half is left to what flows.
        """
        free = (self.limit_bytes - self.reserved_bytes) // 2
        if size_bytes > 0 and self.kept_bytes + size_bytes > free:
            return False
        self.kept_bytes += size_bytes
        self.pooled_bytes += size_bytes
        if size_bytes < 0:
            self.wake()
        return True

    def wake(self) -> None:
        """Grant what can be granted: lanes below their floor, then the head of the queue."""
        progress = True
        while progress and self._waiters:
            progress = False
            for place, waiter in enumerate(self._waiters):
                if waiter.lane.may_take(waiter.size, first=place == 0):
                    del self._waiters[place]
                    waiter.grant()
                    progress = True
                    break

    def enqueue(self, waiter: _Waiter) -> None:
        self._waiters.append(waiter)
        self.wake()

    def withdraw(self, waiter: _Waiter) -> None:
        """Take back a request whose caller was cancelled, before or after the grant."""
        if waiter.is_granted:
            waiter.lane.add(-waiter.size)
        else:
            self._waiters.remove(waiter)
            self.wake()


@final
class Lane:
    """One ordered flow's share of a budget.

    `floor_bytes` is what it may always hold; it should be at least the largest group
    that the flow must gather before it can hand anything on.
    """

    def __init__(self, budget: Budget, floor_bytes: int) -> None:
        self.budget = budget
        self.floor_bytes = floor_bytes
        self.held_bytes = 0

    def may_take(self, size: int, *, first: bool) -> bool:
        """Below its floor or empty always; above it when first in the queue and the pool has it."""
        if self.held_bytes < self.floor_bytes or not self.held_bytes:
            return True
        free = self.budget.limit_bytes - self.budget.reserved_bytes - self.budget.pooled_bytes
        return first and size <= free

    def add(self, size: int) -> None:
        """Correct what this lane holds by `size` bytes (negative gives back); never waits."""
        before = max(0, self.held_bytes - self.floor_bytes)
        self.held_bytes += size
        self.budget.pooled_bytes += max(0, self.held_bytes - self.floor_bytes) - before
        if size < 0:
            self.budget.wake()

    def set_floor(self, floor_bytes: int) -> None:
        """Hold what is held above another floor; those who wait are looked at again."""
        pooled = max(0, self.held_bytes - self.floor_bytes)
        self.floor_bytes = floor_bytes
        self.budget.pooled_bytes += max(0, self.held_bytes - floor_bytes) - pooled
        self.budget.wake()

    async def take(self, size: int) -> None:
        """Wait for `size` bytes, in the order of asking over all lanes of the budget."""
        waiter = _Waiter(self, size)
        self.budget.enqueue(waiter)
        if waiter.is_granted:
            return
        try:
            await waiter.granted.wait()
        except BaseException:
            self.budget.withdraw(waiter)
            raise


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
    queue: deque[_Slot[Value]] = deque()
    live: set[_Slot[Value]] = set()
    todo: deque[tuple[Item, _Slot[Value]]] = deque()
    resting: list[Gate] = []
    came, left = Gate(), Gate()
    is_fed = False

    async def work() -> None:
        """Fetch items until there are no more: a new task for each would cost more than resting."""
        rest = Gate()
        while True:
            while todo:
                item, slot = todo.popleft()
                try:
                    slot.value, size = await fetch(item)
                    lane.add(size - slot.size)
                    slot.size = size
                except Exception as exc:  # noqa: BLE001  # raised in its turn
                    slot.error = exc
                slot.finish()
                del item, slot
            if is_fed:
                return
            resting.append(rest)
            await rest.wait()

    async def feed() -> None:
        nonlocal is_fed
        try:
            async for item in items:
                size = estimate(item)
                await lane.take(size)
                slot = _Slot[Value](size)
                live.add(slot)
                queue.append(slot)
                todo.append((item, slot))
                if resting:
                    resting.pop().open()
                else:
                    tasks.start_soon(work)
                came.open()
                while len(queue) >= max(1, ahead if isinstance(ahead, int) else ahead()):
                    await left.wait()
        except Exception as exc:  # noqa: BLE001  # raised in its turn, after the items before
            last = _Slot[Value](0)
            last.error = exc
            last.finish()
            queue.append(last)
        is_fed = True
        came.open()
        for rest in resting:
            rest.open()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed)
            while queue or not is_fed:
                if not queue:
                    await came.wait()
                    continue
                slot = queue.popleft()
                left.open()
                if not slot.is_done:
                    await slot.done.wait()
                if slot.error is not None:
                    raise slot.error
                more = await emit(slot.value)  # type: ignore[arg-type]  # set with done
                slot.value = None
                live.discard(slot)
                lane.add(-slot.size)
                if more is False:
                    tasks.cancel_scope.cancel()
                    break
    except BaseExceptionGroup as group:
        error = single(group)
        raise error from error.__cause__  # hides the group, keeps what the error came from
    finally:
        for slot in live:
            lane.add(-slot.size)
