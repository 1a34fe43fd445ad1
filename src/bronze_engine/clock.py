"""The only place that knows the time, and the only source of randomness.

Everything that waits, times out or jitters takes a `Clock`. Tests pass
`bronze_engine.testing.ManualClock` and check exact instants; nothing in a test sleeps.
"""

from __future__ import annotations

import random
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, final

import anyio

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Time and chance, as the engine sees them."""

    def now(self) -> datetime:
        """The wall clock, in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait; zero or less still yields to the loop once."""
        ...

    def timeout(self, seconds: float, /) -> AbstractAsyncContextManager[None]:
        """Cancel the body after `seconds` and raise TimeoutError in its place."""
        ...

    def uniform(self, low: float, high: float, /) -> float:
        """A random number in [low, high]: the jitter of retries."""
        ...


@final
class SystemClock:
    """Real time on the running event loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float, /) -> None:
        await anyio.sleep(max(0.0, seconds))

    def timeout(self, seconds: float, /) -> AbstractAsyncContextManager[None]:
        return _Timeout(seconds)

    def uniform(self, low: float, high: float, /) -> float:
        return random.uniform(low, high)


@final
class _Timeout(AbstractAsyncContextManager[None]):
    """`anyio.fail_after`, without the two generators around its scope: half its cost."""

    def __init__(self, seconds: float) -> None:
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)

    async def __aenter__(self) -> None:
        self._scope.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        is_swallowed = self._scope.__exit__(kind, error, trace)
        if self._scope.cancelled_caught and anyio.current_time() >= self._scope.deadline:
            raise TimeoutError
        return bool(is_swallowed)


SYSTEM_CLOCK: Final = SystemClock()
