"""Runs that are held in the middle of a COPY: their store takes nothing until it is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import final

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store, Upload
from bronze_engine.model.report import RunReport
from bronze_engine.testing.faults import FaultyStore, Script
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database, Session

__all__ = ["HeldStore", "copies", "interrupted", "stalled", "until"]


@final
class HeldStore(FaultyStore):
    """Begins no data file until it is let go."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Script())
        self._let_go = asyncio.Event()

    def let_go(self) -> None:
        self._let_go.set()

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        if "/part-" in key:
            await self._let_go.wait()
        async with super().stage(key) as upload:
            yield upload


def copies(database: Database) -> list[Session]:
    """Sessions of this database that are in a COPY."""
    return [each for each in database.sessions() if each.query.startswith("COPY")]


def stalled(database: Database) -> list[Session]:
    """Those of them that wait until we take what they have sent."""
    return [each for each in copies(database) if each.wait_event == "ClientWrite"]


async def until(
    question: Callable[[], object], task: asyncio.Task[RunReport] | None = None
) -> None:
    """Wait until it is true; what ends `task` before is raised."""
    async with SYSTEM_CLOCK.timeout(20.0):
        while not question():
            if task is not None and task.done():
                raise AssertionError(f"ended before: {task.result()}")
            await SYSTEM_CLOCK.sleep(0.02)


async def interrupted(
    landing: Landing,
    store: HeldStore,
    database: Database,
    interrupt: Callable[[list[Session]], None],
    *,
    at_once: int = 1,
) -> RunReport:
    """Run; when `at_once` COPYs are stalled interrupt them, then let the store go."""
    task = asyncio.create_task(landing.run())
    try:
        await until(lambda: len(stalled(database)) >= at_once, task)
        interrupt(stalled(database))
        store.let_go()
        return await task
    finally:
        store.let_go()
        task.cancel()
        await asyncio.wait([task])
