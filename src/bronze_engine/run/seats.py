"""How many slices of one run may be under way at once."""

from __future__ import annotations

from typing import final

from bronze_engine.flow import Budget, Gate

__all__ = ["Seats"]


@final
class Seats:
    """One seat of the run's own, and more where the memory for them is free.

    What one slice holds was reserved when the run was admitted, so there is always one seat.
    Another is taken only where its bytes are free at that moment and no other run waits to
    be admitted: a run that waited for them while it holds bytes itself could wait for ever.
    How many there are decides nothing but how fast it goes.
    """

    def __init__(self, budget: Budget, seat_bytes: int, at_once: int) -> None:
        self._budget = budget
        self._seat_bytes = seat_bytes
        self._at_once = at_once
        self._taken = 0
        self._left = Gate()

    def __enter__(self) -> Seats:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Give back what tasks took that were cancelled before they began."""
        while self._taken:
            self.give_back()

    async def take(self) -> None:
        """Wait for a seat."""
        while not self._is_free():
            await self._left.wait()
        self._taken += 1

    def give_back(self) -> None:
        """Leave one seat; the run's own is the last."""
        self._taken -= 1
        if self._taken:
            self._budget.release(self._seat_bytes)
        self._left.open()

    def _is_free(self) -> bool:
        if not self._taken:
            return True
        return self._taken < self._at_once and self._budget.reserve_now(self._seat_bytes)
