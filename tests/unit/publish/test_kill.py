"""kill -9 at every operation, and at every system call that writes, on local disk.

The reader sees all of the old partition or all of the new one, and the next run leaves
nothing behind: no orphan, no temporary, no lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.errors import StateError
from bronze_engine.publish.base import read_base
from bronze_engine.publish.commit import Published, publish
from bronze_engine.store.local.store import open_local
from bronze_engine.testing.faults import Fault
from bronze_engine.workers import Workers
from tests.killing import KillServer, hidden_or_empty, kill_server

from .kill_server import COMMITTED, KILLED, STATE001, Command
from .runs import PARTITION, PIPELINE, assert_clean, read_partition, stage_run, whole_run

pytestmark = pytest.mark.unit

OPERATIONS = 20
"""A run has more operations than this; an enumeration that ends before is broken."""


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    with kill_server("tests.unit.publish.kill_server") as server:
        yield server


async def survives(root: Path, before: str | None) -> str | None:
    """Judge what a killed run has left, run again, and judge that; returns what was seen."""
    with Workers(2) as workers:
        async with open_local(LocalStoreConfig(path=str(root)), workers, SYSTEM_CLOCK) as store:
            seen = await read_partition(store)
            assert seen in {before, "r1"}
            await whole_run(store, "r2")
            await assert_clean(store, "r2")
    assert hidden_or_empty(root) == []
    return seen


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("kill_before", id="before an operation"),
        pytest.param(None, id="before a system call", marks=pytest.mark.slow),
    ],
)
async def test_kill_anywhere_leaves_old_or_new(
    server: KillServer, tmp_path: Path, fault: Fault | None, again: bool
) -> None:
    seen: list[str | None] = []
    before = "r0" if again else None
    committed = tmp_path / "committed"
    assert server.run(Command(root=str(committed), runs=["r0"])) == [COMMITTED]
    for at in range(1, 1000):
        root = tmp_path / str(at)
        if again:
            shutil.copytree(committed, root)
        ended = server.run(Command(root=str(root), runs=["r1"], at=at, fault=fault))
        if ended == [COMMITTED]:
            break
        assert ended == [KILLED]
        seen.append(await survives(root, before))
    assert len(seen) > OPERATIONS
    assert seen[0] == before
    assert seen[-1] == "r1"
    assert seen == sorted(seen, key=lambda run: run == "r1"), "once committed, always committed"


@pytest.mark.asyncio
async def test_processes_at_once_end_as_commits_and_state001(
    server: KillServer, tmp_path: Path
) -> None:
    for number in range(5):
        root = tmp_path / str(number)
        ended = server.run(Command(root=str(root), runs=[f"r{child}" for child in range(6)]))
        assert set(ended) <= {COMMITTED, STATE001}
        assert COMMITTED in ended
        with Workers(2) as workers:
            config = LocalStoreConfig(path=str(root))
            async with open_local(config, workers, SYSTEM_CLOCK) as store:
                base = await read_base(store, PARTITION, pipeline=PIPELINE)
                assert base.generation == ended.count(COMMITTED)
                assert base.manifest is not None
                await assert_clean(store, base.manifest.run)
        assert hidden_or_empty(root) == []


@pytest.mark.asyncio
async def test_runs_from_one_base_end_as_one_commit_and_state001(tmp_path: Path) -> None:
    """Without a lease: the manifest alone decides."""
    with Workers(4) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        async with (
            open_local(config, workers, SYSTEM_CLOCK) as one,
            open_local(config, workers, SYSTEM_CLOCK) as two,
        ):
            outcomes: list[Published | StateError] = []
            base = await read_base(one, PARTITION, pipeline=PIPELINE)
            staged = [
                (store, await stage_run(store, base, f"r{number}"))
                for number, store in enumerate((one, two, one, two))
            ]
            for store, (manifest, files) in staged:
                try:
                    outcomes.append(await publish(store, base, manifest, files, SYSTEM_CLOCK))
                except StateError as exc:
                    outcomes.append(exc)
            assert isinstance(outcomes[0], Published)
            for error in outcomes[1:]:
                assert isinstance(error, StateError)
                assert "run r0 committed generation 1" in error.message
            assert await read_partition(one) == "r0"
