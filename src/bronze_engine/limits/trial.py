"""The limits of a group during a trial: no more than they allow, and never past a purse.

A trial chooses its own number of requests in flight, within what the group lets through, and
may send only so many. Everything else is the group's: pauses, breaker, rate, retries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeVar, final

from bronze_engine.clock import Clock
from bronze_engine.contracts import Limits
from bronze_engine.limits.adaptive import Outcome
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.transient import Transient, asks_for_pause
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.quota import Quota
from bronze_engine.telemetry.profile import Laps

__all__ = ["Purse", "Spent", "TrialLimits"]

T = TypeVar("T")

_LONG_SECONDS: Final = 0.3
"""Refusals nearer to each other are those of one burst."""


class Spent(Exception):
    """The purse is empty: no request was sent."""


@final
class Purse:
    """How many requests may still be sent, over all trials."""

    def __init__(self, requests: int) -> None:
        self.left = requests
        self.spent = 0

    def take(self, most: int | None = None) -> None:
        """Pay for one request. Raises Spent where nothing is left."""
        if self.left <= 0 or (most is not None and most <= 0):
            raise Spent
        self.left -= 1
        self.spent += 1


@final
class TrialLimits:
    """`contracts.Limits` of one trial, around those of the group.

    `requests` bounds this trial, the purse all of them.
    """

    def __init__(
        self,
        group: Limits,
        concurrency: int | Literal["auto"] | None,
        purse: Purse,
        requests: int,
        clock: Clock,
    ) -> None:
        self._group = group
        self._slots = None if concurrency is None else Concurrency(concurrency)
        self._purse = purse
        self._requests = requests
        self._clock = clock
        self.sent = 0
        self.refused = 0
        """Answers that asked to be left alone: 429, and 503 with Retry-After."""
        self.failed = 0
        self._answered = 0
        self._first_refusal: tuple[float, int] | None = None
        self._last_refusal: tuple[float, int] | None = None
        self.is_spent = False
        """Whether a request was not sent because no more may be."""

    @property
    def sustained_rps(self) -> float | None:
        """What the server lets through in the long run, where it refused twice: at each refusal
        nothing was saved up, so it is what was answered in between."""
        if self._first_refusal is None or self._last_refusal is None:
            return None
        (began, before), (ended, after) = self._first_refusal, self._last_refusal
        seconds = ended - began
        return (after - before) / seconds if seconds >= _LONG_SECONDS and after > before else None

    @property
    def concurrency(self) -> int:
        return self._group.concurrency if self._slots is None else self._slots.limit

    def told(self, quotas: Sequence[Quota], /) -> None:
        self._group.told(quotas)

    def trace(self) -> ConcurrencyTrace:
        slots = self._slots
        if slots is None:
            return self._group.trace()
        return ConcurrencyTrace(limit=slots.limit, is_found=not slots.is_fixed)

    def describe(self) -> dict[str, str]:
        return self._group.describe()

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        /,
        *,
        describe: str,
        may_repeat: bool = True,
    ) -> T:
        """As the group's; raises Spent in place of a request too many."""
        if self._slots is None:
            counted = self._counted(operation, None)
            return await self._group.call(counted, describe=describe, may_repeat=may_repeat)
        laps = Laps()
        await self._slots.acquire()
        laps.lap("slot")
        try:
            counted = self._counted(operation, self._slots)
            return await self._group.call(counted, describe=describe, may_repeat=may_repeat)
        finally:
            self._slots.release()

    def _counted(
        self, operation: Callable[[], Awaitable[T]], slots: Concurrency | None
    ) -> Callable[[], Awaitable[T]]:
        async def attempt() -> T:
            try:
                self._purse.take(self._requests - self.sent)
            except Spent:
                self.is_spent = True
                raise
            self.sent += 1
            number = 0 if slots is None else slots.begin()
            began = self._clock.monotonic()
            outcome: Outcome = "untold"
            try:
                value = await operation()
                outcome = "succeeded"
                self._answered += 1
                return value
            except Transient as exc:
                is_pause = asks_for_pause(exc)
                outcome = "refused" if is_pause else "failed"
                self.refused += is_pause
                self.failed += not is_pause
                if is_pause:
                    self._last_refusal = (self._clock.monotonic(), self._answered)
                    self._first_refusal = self._first_refusal or self._last_refusal
                raise
            finally:
                if slots is not None:
                    slots.observe(number, self._clock.monotonic() - began, outcome)

        return attempt
