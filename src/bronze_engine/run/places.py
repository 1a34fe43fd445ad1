"""The places of engine.max_pipelines: how many runs may be under way at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import final

import anyio

__all__ = ["Places"]


@final
class Places:
    """So many places, first come, first served; and how many runs there are."""

    def __init__(self, count: int) -> None:
        self._free = anyio.Semaphore(count)
        self.running = 0
        self.waiting = 0
        """Those that wait for a place."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it while the body lasts."""
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a run while the body lasts, with a place or without one."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
