"""A sleep that another task may end, whose news changes for how long it has to be."""

from __future__ import annotations

from typing import final

import anyio

from bronze_engine.clock import Clock

__all__ = ["Nap"]


@final
class Nap:
    """One at a time: of those who wait only the one whose turn it is sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scope: anyio.CancelScope | None = None

    async def take(self, seconds: float) -> None:
        """Sleep so long, or until `end`."""
        try:
            with anyio.CancelScope() as self._scope:
                await self._clock.sleep(seconds)
        finally:
            self._scope = None

    def end(self) -> None:
        """Wake whoever sleeps."""
        if self._scope is not None:
            self._scope.cancel()
