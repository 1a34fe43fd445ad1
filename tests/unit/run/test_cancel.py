"""Cancelled anywhere, a run is as if it had never been, or whole; and nothing of it is left."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from bronze_engine import shared as shared_module
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.engine import Engine
from bronze_engine.model.part import Expect
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Cut, Fault, Pause, ScriptedSource, Steps, inject, page
from bronze_engine.workers import Workers
from tests.unit.run.harness import (
    DAY,
    NAME,
    config_of,
    cut_groups,
    is_idle,
    left_in,
    load_text,
    manifest_of,
    opened,
    reports_of,
    table_of,
    unowned,
)

pytestmark = pytest.mark.unit

BAD = b'{"id": 1, "id": '
LIMITS = ("output.row_group_rows=4", "output.max_rows_per_file=8", "quality.max_bad_rows=4")
ROWS = 20

Opening = Callable[[int], AbstractAsyncContextManager[tuple[Engine, Store]]]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_groups(monkeypatch, 1)


def source(version: int) -> ScriptedSource:
    """Two slices with a reject each; `version` tells an old partition from a new one."""
    slices = [
        [
            step
            for number in range(5)
            for step in (
                page(number + 1, {"id": 10 * slice_ + 2 * number, "version": version}),
                Pause(),
                page(number + 1, {"id": 10 * slice_ + 2 * number + 1, "version": version}),
            )
        ]
        + [page(6, BAD)]
        for slice_ in range(2)
    ]
    return ScriptedSource(slices)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def run_cut(engine: Engine, at: int, style: str) -> bool:
    """Run, cancelled at the n-th step; whether it came to that."""
    if style == "native":

        async def main() -> bool:
            steps = Steps(at, lambda: task.cancel())  # noqa: PLW0108  # made below
            with suppress(asyncio.CancelledError):
                await Cut(engine.run(NAME, run_date=DAY), steps)
            return steps.fired

        task = asyncio.create_task(main())
        return await task
    with anyio.CancelScope() as scope:
        steps = Steps(at, scope.cancel)
        await Cut(engine.run(NAME, run_date=DAY), steps)
    return steps.fired


async def judge(store: Store, before: int | None) -> int | None:
    """The partition is old or new as its run reports, and nothing else is in the store."""
    manifest = await manifest_of(store)
    assert unowned(await left_in(store), manifest) == []
    reports = await reports_of(store)
    owner = None if manifest is None else manifest.run
    others = {report["status"] for report in reports if report["run"] != owner}
    if manifest is None:
        assert before is None
        assert others <= {"cancelled"}
        return None
    rows = (await table_of(store)).to_pylist()
    assert [row["id"] for row in rows] == list(range(ROWS))
    (version,) = {row["version"] for row in rows}
    assert version in {before, 2}
    latest = [report for report in reports if report["run"] == manifest.run]
    assert [report["status"] for report in latest] == ["committed"]
    assert others <= ({"cancelled"} if version == before else {"committed"})
    assert isinstance(version, int)
    return version


async def cut_everywhere(
    open_engine_at: Opening, *, style: str, before: int | None, start: int = 1, stride: int = 1
) -> list[int | None]:
    """Cancel a run at each of its steps in turn; returns what stood in the store after each."""
    seen: list[int | None] = []
    at = start
    while True:
        tasks = asyncio.all_tasks()
        async with open_engine_at(at) as (engine, store):
            fired = await run_cut(engine, at, style)
            assert asyncio.all_tasks() == tasks
            assert is_idle(engine)
            seen.append(await judge(store, before))
        if not fired:
            return seen
        at += stride


JITTER_STEPS = 12
"""By so many turns of the loop a run may reach its commit sooner or later: how many it takes
depends on how quick the worker threads are."""


def is_monotone(seen: list[int | None], before: int | None) -> bool:
    """Old until the commit, new from then on."""
    first_new = seen.index(2)
    last_old = len(seen) - 1 - seen[::-1].index(before)
    return seen[0] == before and seen[-1] == 2 and last_old - first_new < JITTER_STEPS


async def committed(config: Config, before: int | None) -> MemoryStore:
    """A store in which `before` is committed already."""
    store = MemoryStore()
    if before is not None:
        async with opened(config, source(before), store=store, clock=SYSTEM_CLOCK) as engine:
            await engine.run(NAME, run_date=DAY)
    return store


def copy_of(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy._objects.update(store._objects)
    copy._count = store._count
    return copy


STYLES = pytest.mark.parametrize("style", ["native", "scope"])
BEFORE = pytest.mark.parametrize("before", [None, 1], ids=["first run", "re-run"])


@pytest.mark.asyncio
@STYLES
@BEFORE
async def test_cancelled_at_any_step_in_memory(
    tmp_path: Path, style: str, before: int | None
) -> None:
    config = config_of(*LIMITS, folder=tmp_path)

    standing = await committed(config, before)

    @asynccontextmanager
    async def opening(_at: int) -> AsyncIterator[tuple[Engine, Store]]:
        store = copy_of(standing)
        async with opened(config, source(2), store=store, clock=SYSTEM_CLOCK) as engine:
            yield engine, store

    running = threads()
    seen = await cut_everywhere(opening, style=style, before=before)
    assert len(seen) > 40
    assert is_monotone(seen, before)
    assert threads() == running


LOCAL = """
[engine]
log_dir = ""
target = "lake"
[stores.lake]
type = "local"
path = "bronze"
single_writer = true
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.team.orders.source]
type = "http"
api = "shop"
"""
"""Without the preflight's second process, which takes longer than the run."""


@pytest.mark.asyncio
@STYLES
@BEFORE
async def test_cancelled_at_steps_on_disk(tmp_path: Path, style: str, before: int | None) -> None:
    running, descriptors = threads(), open_files()
    seen: list[int | None] = []
    # Every seventh step, and another seventh in each of the four variants.
    start = 1 + (style == "native") + 2 * (before is not None)
    config = load_text(LOCAL, *LIMITS, folder=tmp_path)
    root = tmp_path / "bronze"
    kept = tmp_path / "kept"
    if before is not None:
        async with opened(config, source(before), clock=SYSTEM_CLOCK) as engine:
            await engine.run(NAME, run_date=DAY)
        root.rename(kept)

    @asynccontextmanager
    async def opening(_at: int) -> AsyncIterator[tuple[Engine, Store]]:
        shutil.rmtree(root, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, root)
        with Workers(1) as workers:
            async with (
                opened(config, source(2), clock=SYSTEM_CLOCK) as engine,
                open_local(LocalStoreConfig(path=str(root)), workers, SYSTEM_CLOCK) as store,
            ):
                yield engine, store
                hidden = [path for path in root.rglob(".*") if path.is_file()]
                assert hidden == []

    seen = await cut_everywhere(opening, style=style, before=before, start=start, stride=7)
    assert len(seen) > 8
    assert is_monotone(seen, before)
    assert threads() == running
    assert open_files() <= descriptors


@pytest.mark.asyncio
@STYLES
@pytest.mark.parametrize("fault", ["cancel_before", "cancel_after"])
@BEFORE
async def test_cancelled_at_any_operation_of_the_store(
    tmp_path: Path, style: str, fault: Fault, before: int | None
) -> None:
    """Also within the commit and the cleaning up, which are tasks of their own."""
    config = config_of(*LIMITS, folder=tmp_path)
    standing = await committed(config, before)
    seen: list[int | None] = []
    at = 1
    while True:
        memory = copy_of(standing)
        scope = anyio.CancelScope()
        task: asyncio.Task[None] | None = None

        def cancel() -> None:
            if style == "scope":
                scope.cancel()  # noqa: B023  # this turn's
            elif task is not None:  # noqa: B023
                task.cancel()  # noqa: B023

        store = inject(memory, at, fault, cancel=cancel)
        tasks = asyncio.all_tasks()
        async with opened(config, source(2), store=store, clock=SYSTEM_CLOCK) as engine:

            async def main() -> None:
                with scope:  # noqa: B023
                    await engine.run(NAME, run_date=DAY)

            task = asyncio.create_task(main())
            with suppress(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == tasks
            assert is_idle(engine)
        method = store.script.operations[at - 1][0] if store.script.fired else ""
        if (method, fault) != ("seal", "cancel_after"):  # no store has an await after sealing
            seen.append(await judge(memory, before))
        if len(store.script.operations) < at:
            break
        at += 1
    assert len(seen) > 40
    assert seen[0] == before
    assert seen[-1] == 2


@pytest.mark.asyncio
@STYLES
async def test_a_store_that_never_answers_the_commit_holds_a_cancelled_run_no_longer_than_its_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    monkeypatch.setattr(shared_module, "DRAIN_SECONDS", 0.05)
    sending = anyio.Event()
    put = MemoryStore.put

    async def silent(self: MemoryStore, key: str, body: bytes, /, *, expect: Expect) -> str:
        if key.endswith("_metadata.json"):
            sending.set()
            await anyio.sleep_forever()
        return await put(self, key, body, expect=expect)

    monkeypatch.setattr(MemoryStore, "put", silent)
    store = MemoryStore()
    tasks = asyncio.all_tasks()
    config = config_of(*LIMITS, folder=tmp_path)
    async with opened(config, source(2), store=store, clock=SYSTEM_CLOCK) as engine:
        scope = anyio.CancelScope()

        async def main() -> None:
            with scope:
                await engine.run(NAME, run_date=DAY)

        task = asyncio.create_task(main())
        await sending.wait()
        engine.drain()
        if style == "scope":
            scope.cancel()
        else:
            task.cancel()
        async with SYSTEM_CLOCK.timeout(5):
            await asyncio.wait([task])
        assert is_idle(engine)
    assert asyncio.all_tasks() == tasks
    assert [report["status"] for report in await reports_of(store)] == ["cancelled"]
    # In doubt nothing is deleted; no lease is left to hold up the next run.
    assert [key for key in await left_in(store) if key.startswith("_state/")] == []
