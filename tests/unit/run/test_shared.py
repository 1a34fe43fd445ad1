"""What runs share is opened once, and what opens slowly keeps nothing else waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import config_of, opened

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_what_opens_slowly_keeps_nothing_else_waiting(tmp_path: Path) -> None:
    clock = ManualClock()
    log: list[str] = []

    @asynccontextmanager
    async def opening(name: str, seconds: float) -> AsyncIterator[str]:
        await clock.sleep(seconds)
        log.append(f"opened {name} at {clock.monotonic():g}")
        yield name
        log.append(f"closed {name}")

    async with opened(config_of(folder=tmp_path), None, clock=clock) as engine:

        async def ask(name: str, seconds: float) -> None:
            assert await engine._shared.share(name, lambda: opening(name, seconds)) == name

        async with anyio.create_task_group() as tasks:
            for name, seconds in (("hangs", 60.0), ("hangs", 60.0), ("quick", 1.0)):
                tasks.start_soon(ask, name, seconds)
            await clock.advance(100.0)
    assert log[:2] == ["opened quick at 1", "opened hangs at 60"]
    assert sorted(log[2:]) == ["closed hangs", "closed quick"]
