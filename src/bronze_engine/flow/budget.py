"""The bytes that all flows of one engine may hold, and who has them.

A run reserves what it must be able to hold when it is admitted. What its flows hold beyond the
floors of their lanes comes from a pool that all share. `flow` says why this can't deadlock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, final

import anyio

from bronze_engine.flow.gate import Gate

__all__ = ["Budget", "Lane", "Reservation"]

LENDERS_SHARE: Final = 4
"""Runs may lend while all that they keep is at most this part of the limit. They keep the floors
of their lanes, of which one that has no rows yet uses what its first answers take."""


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
class Reservation:
    """What one run has set aside, and how much of that it can do without until it has rows.

    A run whose source is silent can lend the most of it; it has it again before its first row.
    """

    def __init__(self, budget: Budget, size_bytes: int, lendable_bytes: int) -> None:
        self._budget = budget
        self._lendable_bytes = lendable_bytes
        self.is_lent = False
        """Whether others may have the most of it now."""
        self._is_used = False
        self._returned: anyio.Event | None = None
        self.kept_bytes = size_bytes - lendable_bytes
        """What is not lent."""

    @property
    def held_bytes(self) -> int:
        return self.kept_bytes if self.is_lent else self.kept_bytes + self._lendable_bytes

    def lend(self) -> bool:
        """Let others have it until `use`; False where it is used already, or too much is lent."""
        if self._is_used or self.is_lent or not self._budget.may_lend(self):
            return False
        self.is_lent = True
        self._budget.lent(self, self._lendable_bytes)
        return True

    async def use(self) -> None:
        """Have all of it, from now on: where it was lent, when its turn comes among those who
        wait to be admitted. Whoever waits here must hold no more than it has kept."""
        if self._is_used and self._returned is None:
            return
        self._is_used = True
        if not self.is_lent:
            return
        if self._returned is None:
            self._returned = self._budget.ask(self._lendable_bytes)
        await self._returned.wait()
        if self.is_lent:
            self.is_lent = False
            self._budget.returned(self)
        self._returned = None

    def release(self) -> None:
        """Give back what is held, at the end."""
        if self.is_lent:
            self._budget.returned(self)
            if self._returned is not None:
                self._budget.withdraw_asking(self._lendable_bytes, self._returned)
        self._budget.release(self.held_bytes)


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
        self._lenders_bytes = 0
        """What runs have kept that lend the rest: no admission waits for these alone."""

    @asynccontextmanager
    async def reserve(
        self,
        size_bytes: int,
        *,
        lendable_bytes: int = 0,
        on_wait: Callable[[], None] | None = None,
    ) -> AsyncIterator[Reservation]:
        """Set `size_bytes` aside for the body: first come, first served, all or nothing.

        `on_wait` is called once if the bytes are not free yet. A size above the limit is
        granted when nothing else is reserved, so the caller checks the minimum beforehand.
        """
        granted = self.ask(size_bytes)
        try:
            if not granted.is_set() and on_wait is not None:
                on_wait()
            await granted.wait()
        except BaseException:
            self.withdraw_asking(size_bytes, granted)
            raise
        reservation = Reservation(self, size_bytes, lendable_bytes)
        try:
            yield reservation
        finally:
            reservation.release()

    def ask(self, size_bytes: int) -> anyio.Event:
        """Ask for bytes to be set aside; they are once the event is set."""
        granted = anyio.Event()
        self._admissions.append((size_bytes, granted))
        self._admit()
        return granted

    def withdraw_asking(self, size_bytes: int, granted: anyio.Event) -> None:
        """Take back what was asked for, granted or not."""
        if granted.is_set():
            self.release(size_bytes)
        else:
            self._admissions.remove((size_bytes, granted))
            self._admit()

    def may_lend(self, reservation: Reservation) -> bool:
        """Whether what lenders keep stays small: an admission may pass the limit by so much."""
        kept = self._lenders_bytes + reservation.kept_bytes
        return kept <= self.limit_bytes // LENDERS_SHARE

    def lent(self, reservation: Reservation, size_bytes: int) -> None:
        self._lenders_bytes += reservation.kept_bytes
        self.release(size_bytes)

    def returned(self, reservation: Reservation) -> None:
        self._lenders_bytes -= reservation.kept_bytes

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
            others = self.reserved_bytes - self._lenders_bytes
            if others and self.reserved_bytes + size > self.limit_bytes:
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
