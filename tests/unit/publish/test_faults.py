"""Every operation of a run fails once in every way, in memory.

Whatever happens, a reader sees all of the old partition or all of the new one, and the next
run leaves nothing of the broken one behind.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest

from bronze_engine.errors import BronzeError, CommitUnknown, StateError
from bronze_engine.publish.commit import Published
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.testing.stores import keys_of, staged_keys

from .runs import (
    MANIFEST_KEY,
    PARTITION,
    assert_clean,
    read_partition,
    whole_run,
)

pytestmark = pytest.mark.unit

FAILURES: tuple[Fault, ...] = ("fail_before", "fail_after", "lost")
CANCELS: tuple[Fault, ...] = ("cancel_before", "cancel_after")


async def operations_of_a_run(*, again: bool) -> list[tuple[str, str]]:
    store = MemoryStore()
    if again:
        await whole_run(store, "r0")
    faulty = inject(store)
    await whole_run(faulty, "r1")
    return faulty.script.operations


def cancel_all(tasks: list[asyncio.Task[Published]]) -> None:
    for task in tasks:
        task.cancel()


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
@pytest.mark.parametrize("fault", FAILURES)
async def test_failure_of_any_operation_leaves_old_or_new(fault: Fault, again: bool) -> None:
    operations = await operations_of_a_run(again=again)
    before = "r0" if again else None
    outcomes: set[str] = set()
    for at, (method, key) in enumerate(operations, start=1):
        clock = ManualClock()
        store = MemoryStore(clock)
        if again:
            await whole_run(store, "r0", clock)
        faulty = inject(store, at, fault)
        error: BaseException | None = None
        try:
            await clock.drive(whole_run(faulty, "r1", clock))
        except BronzeError as exc:
            error = exc
        assert faulty.script.fired
        seen = await read_partition(store)
        where = f"{fault} at {at} ({method} {key})"
        if error is None:
            outcomes.add("committed")
            assert seen == "r1", where
        elif isinstance(error, CommitUnknown):
            outcomes.add("unknown")
            assert seen in {before, "r1"}, where
        else:
            outcomes.add("failed")
            assert seen == before, where
            if method not in {"discard", "delete"}:
                left = [key for key in await keys_of(store, f"{PARTITION}/") if "-r1-" in key]
                assert left == [], where
        await clock.advance(31)
        await clock.drive(whole_run(store, "r2", clock))
        await assert_clean(store, "r2")
    assert outcomes >= {"committed", "failed"}


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
@pytest.mark.parametrize("fault", CANCELS)
@pytest.mark.parametrize("native", [False, True], ids=["scope", "task.cancel"])
async def test_cancellation_at_any_operation_leaves_old_or_new(
    fault: Fault, again: bool, native: bool
) -> None:
    operations = await operations_of_a_run(again=again)
    commit = max(
        at for at, operation in enumerate(operations, 1) if operation == ("put", MANIFEST_KEY)
    )
    before = "r0" if again else None
    for at, (method, key) in enumerate(operations, start=1):
        clock = ManualClock()
        store = MemoryStore(clock)
        if again:
            await whole_run(store, "r0", clock)
        if native:
            running: list[asyncio.Task[Published]] = []
            faulty = inject(store, at, fault, cancel=lambda: cancel_all(running))  # noqa: B023
            running = [asyncio.create_task(whole_run(faulty, "r1", clock))]
            await asyncio.wait(running)
        else:
            with anyio.CancelScope() as scope:
                faulty = inject(store, at, fault, cancel=scope.cancel)
                await whole_run(faulty, "r1", clock)
        assert faulty.script.fired
        seen = await read_partition(store)
        where = f"{fault} at {at} ({method} {key})"
        committed = at > commit or (at == commit and fault == "cancel_after")
        assert seen == ("r1" if committed else before), where
        if at < commit:
            left = [key for key in await keys_of(store, f"{PARTITION}/") if "-r1-" in key]
            assert left == [], where
            if method != "seal":  # sealed, and nobody was told: that is for the next run's reap
                assert await staged_keys(store) == [], where
        # Held or not, a lease of this very process is no dead one: it has to run out.
        await clock.advance(31)
        await clock.drive(whole_run(store, "r2", clock))
        await assert_clean(store, "r2")


@pytest.mark.asyncio
async def test_concurrent_runs_end_as_one_commit_and_state001() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    results: dict[str, BaseException | None] = {}

    async def run(name: str) -> None:
        try:
            await whole_run(store, name, clock)
            results[name] = None
        except StateError as exc:
            results[name] = exc

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(run, f"r{number}")
    winners = [name for name, error in results.items() if error is None]
    assert len(winners) == 1
    assert len(results) == 5
    await assert_clean(store, winners[0])
