"""Two processes and one broken run: whoever loses the checkpoint publishes and removes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine.errors import BronzeError, ExtractError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import StoredObject
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, Pause, ScriptedSource
from bronze_engine.testing.faults import FaultyStore, Script
from tests.unit.run.broken import (
    CHECKPOINT,
    LIMITS,
    SLICES,
    Broken,
    awaited,
    hashes,
    rows,
    source,
    uninterrupted,
)
from tests.unit.run.harness import DAY, NAME, opened, reports_of, unowned

pytestmark = pytest.mark.unit


class Bystander:
    """A process that sleeps in its slice while the world goes on, and wakes up late."""

    def __init__(self, bench: Broken, sleeps_in: int) -> None:
        script = [rows(index) for index in range(SLICES)]
        script[sleeps_in] = [Pause(3600.0), *script[sleeps_in]]
        self.clock = ManualClock()
        self._bench = bench
        self._source = ScriptedSource(script, chained=True, token="as it is")

    async def run(self, *, meanwhile: Callable[[], Any], landed: int) -> BaseException | Manifest:
        config, store = self._bench.config, self._bench.store
        async with opened(config, self._source, store=store, clock=self.clock) as engine:
            run = asyncio.create_task(engine.run(NAME, run_date=DAY))
            while not await self._has(landed):
                await anyio.lowlevel.checkpoint()
            await meanwhile()
            try:
                await self.clock.drive(awaited(run))
            except BronzeError as exc:
                return exc
        found = await self._bench.manifest()
        assert found is not None
        return found

    async def _has(self, landed: int) -> bool:
        found = await self._bench.checkpoint()
        return found is not None and len(found.slices) >= landed


@pytest.mark.asyncio
@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_zombie_that_wakes_up_publishes_and_removes_nothing(
    tmp_path: Path, is_committed: bool
) -> None:
    """Its lease has run out, and another process has taken over what it had landed."""
    clock = ManualClock()
    bench = Broken(tmp_path, *LIMITS, store=MemoryStore(clock))
    before: list[str] = []

    async def meanwhile() -> None:
        await clock.advance(31.0)
        if is_committed:
            manifest = await bench.run(source())
            assert unowned(await bench.left(), manifest) == []
        else:
            await bench.fails(source(ExtractError("cut off"), at=4))
        before.extend(await bench.left())

    woken = await Bystander(bench, 3).run(meanwhile=meanwhile, landed=3)
    assert isinstance(woken, StateError)
    left = await bench.left()
    assert [key for key in before if key not in left and not key.endswith(".lease")] == []
    manifest = await bench.manifest() if is_committed else await bench.run(source())
    assert manifest is not None
    (report,) = await reports_of(bench.store)
    assert report["status"] == "committed", "not what the zombie has to tell"
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    assert (await bench.table()).num_rows == manifest.row_count
    assert unowned(await bench.left(), manifest) == []


class Stale(FaultyStore):
    """A store whose checkpoint was read a while ago."""

    def __init__(self, store: MemoryStore, stale: StoredObject) -> None:
        super().__init__(store, Script())
        self._stale: StoredObject | None = stale

    async def get(self, key: str, /) -> StoredObject | None:
        if key == CHECKPOINT and self._stale is not None:
            stale, self._stale = self._stale, None
            return stale
        return await super().get(key)


@pytest.mark.asyncio
async def test_of_two_that_resume_at_once_one_is_state001(tmp_path: Path) -> None:
    """Without a lease: the second has read the checkpoint before the first took it over."""
    store = MemoryStore(ManualClock())
    bench = Broken(tmp_path, *LIMITS, store=store)
    await bench.fails(source(ExtractError("cut off")))
    stale = await store.get(CHECKPOINT)
    assert stale is not None
    second = Broken(tmp_path, *LIMITS, store=Stale(store, stale))
    first = Broken(tmp_path, *LIMITS, store=store)
    await first.fails(source(ExtractError("cut off"), at=4))
    error = await second.fails(source())
    assert isinstance(error, StateError)
    assert "has taken over" in error.message
    manifest = await first.run(source())
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
