"""kill -9 of whole runs on local disk, and processes that run the same partition at once.

The reader sees all of the old partition or all of the new one, and the next run leaves
nothing behind: no orphan, no temporary, no lock.
"""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.store.local.store import open_local
from bronze_engine.testing import Fault
from bronze_engine.workers import Workers
from tests.killing import KillServer, hidden_or_empty, kill_server
from tests.unit.run.harness import (
    DAY,
    NAME,
    left_in,
    load_text,
    manifest_of,
    opened,
    table_of,
    unowned,
)

from .kill_server import CONFIG, ROWS, Command, source

pytestmark = pytest.mark.integration

COMMITTED, STATE001, KILLED = 0, 7, -signal.SIGKILL
OPERATIONS = 20
"""A run has more operations than this; an enumeration that ends before is broken."""


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    with kill_server("tests.integration.engine.kill_server") as server:
        yield server


async def seen_by_a_reader(root: Path) -> int | None:
    """The version of the partition, whole; None where nothing is committed."""
    with Workers(1) as workers:
        async with open_local(
            LocalStoreConfig(path=str(root / "bronze")), workers, SYSTEM_CLOCK
        ) as store:
            manifest = await manifest_of(store)
            if manifest is None:
                return None
            assert [file.page_count for file in manifest.pages] == [2]
            rows = (await table_of(store)).to_pylist()
    assert [row["id"] for row in rows] == list(range(ROWS))
    (version,) = {row["version"] for row in rows}
    assert isinstance(version, int)
    return version


async def run_again(root: Path, version: int) -> None:
    """One more run, after which only what it has committed is there."""
    config = load_text(CONFIG, folder=root)
    async with opened(config, source(version), clock=SYSTEM_CLOCK) as engine:
        await engine.run(NAME, run_date=DAY)
    await assert_clean(root)


async def assert_clean(root: Path) -> None:
    with Workers(1) as workers:
        async with open_local(
            LocalStoreConfig(path=str(root / "bronze")), workers, SYSTEM_CLOCK
        ) as store:
            assert unowned(await left_in(store), await manifest_of(store)) == []
    assert hidden_or_empty(root) == []


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
async def test_kill_at_system_calls_leaves_old_or_new(
    server: KillServer, tmp_path: Path, again: bool
) -> None:
    """At operations of every kind of store: tests/integration/store/test_kill.py."""
    await kill_everywhere(server, tmp_path, None, 3, again)


@pytest.mark.asyncio
async def test_kill_at_some_operations_of_a_re_run_leaves_old_or_new(
    server: KillServer, tmp_path: Path
) -> None:
    await kill_everywhere(server, tmp_path, "kill_after", 5, again=True)


async def kill_everywhere(
    server: KillServer, folder: Path, fault: Fault | None, stride: int, again: bool
) -> None:
    seen: list[int | None] = []
    before = 1 if again else None
    committed = folder / "committed"
    assert server.run(Command(root=str(committed), versions=[1])) == [COMMITTED]
    for at in range(1, 1000, stride):
        root = folder / str(at)
        if again:
            shutil.copytree(committed, root)
        ended = server.run(Command(root=str(root), versions=[2], at=at, fault=fault))
        if ended == [COMMITTED]:
            break
        assert ended == [KILLED]
        seen.append(await seen_by_a_reader(root))
        await run_again(root, 3)
        assert await seen_by_a_reader(root) == 3
        shutil.rmtree(root)
    assert len(seen) > OPERATIONS // stride
    assert seen[0] == before
    assert seen[-1] == 2
    assert seen == sorted(seen, key=lambda version: version == 2), "once committed, always so"


@pytest.mark.asyncio
async def test_kill_at_some_operations_of_a_replay_leaves_old_or_new(
    server: KillServer, tmp_path: Path
) -> None:
    committed = tmp_path / "committed"
    assert server.run(Command(root=str(committed), versions=[1])) == [COMMITTED]
    seen: list[int] = []
    for at in range(1, 1000, 4):
        root = tmp_path / str(at)
        shutil.copytree(committed, root)
        ended = server.run(
            Command(root=str(root), versions=[1], at=at, fault="kill_after", replays=True)
        )
        if ended == [COMMITTED]:
            break
        assert ended == [KILLED]
        assert await seen_by_a_reader(root) == 1, "the rows of the captured pages, either way"
        seen.append(await generation_in(root))
        assert server.run(Command(root=str(root), versions=[1], replays=True)) == [COMMITTED]
        assert await seen_by_a_reader(root) == 1
        await assert_clean(root)
        shutil.rmtree(root)
    assert len(seen) > OPERATIONS // 4
    assert (seen[0], seen[-1]) == (1, 2)
    assert seen == sorted(seen), "once committed, always so"


async def generation_in(root: Path) -> int:
    with Workers(1) as workers:
        settings = LocalStoreConfig(path=str(root / "bronze"))
        async with open_local(settings, workers, SYSTEM_CLOCK) as store:
            manifest = await manifest_of(store)
    assert manifest is not None
    return manifest.generation


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [2, 8])
async def test_processes_that_run_one_partition_at_once_commit_once(
    server: KillServer, tmp_path: Path, count: int
) -> None:
    versions = list(range(count))
    for generation in (1, 2):
        ended = server.run(Command(root=str(tmp_path), versions=versions, holds_seconds=2))
        assert Counter(ended) == {COMMITTED: 1, STATE001: count - 1}
        assert await seen_by_a_reader(tmp_path) == ended.index(COMMITTED)
        assert await generation_in(tmp_path) == generation
        await assert_clean(tmp_path)
