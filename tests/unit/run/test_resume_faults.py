"""Whatever breaks a run off, wherever: what it resumes from is left, and the result is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from bronze_engine.errors import BronzeError
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Fault, ManualClock, Pause, ScriptedSource, inject
from tests.unit.run.broken import (
    CHECKPOINT,
    LIMITS,
    SLICES,
    Broken,
    awaited,
    hashes,
    kept_in,
    rows,
    source,
    uninterrupted,
)
from tests.unit.run.harness import DAY, NAME, opened, unowned

pytestmark = pytest.mark.unit
PREFLIGHT = 11
"""Operations of a run before it takes its lease."""


@pytest.mark.asyncio
async def test_cancelled_it_leaves_nothing_but_what_it_resumes_from(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    clock = ManualClock()
    script = [rows(index) for index in range(SLICES)]
    waiting = [*script[:3], [*rows(3), Pause(3600.0)], *script[4:]]
    async with bench.engine(
        ScriptedSource(waiting, chained=True, token="as it is"), clock=clock
    ) as engine:
        run = asyncio.create_task(engine.run(NAME, run_date=DAY))
        while await bench.checkpoint() is None or len((await kept_in(bench)).slices) < 3:
            await anyio.lowlevel.checkpoint()
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    left = await bench.left()
    kept = await kept_in(bench)
    named = [
        f"[{staged['key']}]"
        for done in kept.slices
        for staged in msgspec.json.decode(done.landed)["files"]
    ]
    rejected = [key for key in left if "quarantine" in key or "rejected" in key]
    reports = [key for key in left if key.startswith("_runs/") and key.endswith(".json")]
    assert sorted(left) == sorted([CHECKPOINT, *named, *rejected, *reports])
    again = source()
    manifest = await bench.run(again)
    assert again.read == [3, 4]
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["fail_before", "fail_after", "lost", "cancel_before", "cancel_after", "die_after"]
)
async def test_whatever_breaks_it_off_the_result_is_that_of_an_uninterrupted_run(
    tmp_path: Path, fault: Fault
) -> None:
    whole = await uninterrupted(tmp_path, slices=3)
    ends = 0
    for at in range(PREFLIGHT + 1, 1000, 2):
        inner = MemoryStore(ManualClock())
        bench = Broken(tmp_path, *LIMITS, store=inner)
        clock = ManualClock()
        holder: list[asyncio.Task[Any]] = []
        store = inject(inner, at, fault, cancel=partial(cancel_first, holder))
        async with opened(bench.config, source(slices=3), store=store, clock=clock) as engine:
            holder.append(asyncio.create_task(engine.run(NAME, run_date=DAY)))
            try:
                await clock.drive(awaited(holder[0]))
            except (BronzeError, asyncio.CancelledError):
                ends += 1
        if at > len(store.script.operations):
            break
        manifest = await bench.manifest()
        committed = manifest.generation if manifest is not None else 0
        for key in await leases_of(inner):
            await inner.delete(key)
        manifest = await bench.run(source(slices=3))
        assert manifest.generation == committed + 1
        assert hashes(manifest) == hashes(whole), (at, store.script.operations[-1])
        assert (await bench.table()).num_rows == whole.row_count
        assert unowned(await bench.left(), manifest) == [], (at, store.script.operations[-1])
    assert ends > 10


def cancel_first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    tasks[0].cancel()


async def leases_of(store: MemoryStore) -> list[str]:
    """Leases of processes that are gone: this one is alive, so they would be respected."""
    return [info.key async for info in store.scan("_state/") if info.key.endswith(".lease")]
