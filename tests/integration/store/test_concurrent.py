"""Four processes run one partition at once, again and again: one commits, three are told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from bronze_engine.contracts import Store
from bronze_engine.publish.base import read_base
from tests.integration.azurite import Azurite
from tests.integration.http_server import Seen, Server, answer, serve
from tests.integration.s3_server import S3Server, s3_server
from tests.integration.store.places import Place, azure_place, local_place, s3_place
from tests.integration.store.run_server import Bronze, Publish
from tests.integration.store.runs import COMMITTED, STATE001, Runs, assert_clean, small_parts
from tests.killing import hidden_or_empty
from tests.unit.publish.runs import PARTITION, read_partition, whole_run
from tests.unit.publish.runs import PIPELINE as PUBLISHED
from tests.unit.publish.runs import assert_clean as assert_published_clean
from tests.unit.run.harness import DAY, NAME, manifest_of, table_of

__all__ = ["s3_server", "small_parts"]

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROCESSES = 4
ROUNDS = 20


class Crowd:
    """The processes of one round; whoever reads the source is held until all others have ended."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.ended: dict[int, int | None] = {}
        self._reading = 0
        self._is_alone = asyncio.Event()

    async def page(self, number: int) -> list[dict[str, int]]:
        if number > 1:
            return []
        self._reading += 1
        self._look()
        await self._is_alone.wait()
        return [{"id": at, "version": self.version} for at in range(3)]

    def end(self, pid: int, status: int | None) -> None:
        self.ended[pid] = status
        self._look()

    def _look(self) -> None:
        if self._reading + len(self.ended) >= PROCESSES:
            self._is_alone.set()


async def race(runs: Runs, place: Place) -> None:
    """`bronze run` in four processes that are let go together, 20 times."""
    crowd = Crowd(0)

    async def handle(seen: Seen, _: object) -> bytes:
        return answer(await crowd.page(int(seen.query["page"])))

    async with serve(handle) as server:
        for version in range(1, ROUNDS + 1):
            crowd = Crowd(version)
            pids = [await runs.until_stopped(bronze(place, server)) for _ in range(PROCESSES)]
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for _ in pids:
                crowd.end(*await runs.wait())
            logs = {pid: runs.log(str(place.folder), pid) for pid in pids}
            assert Counter(crowd.ended.values()) == {COMMITTED: 1, STATE001: 3}, logs
            for pid, status in crowd.ended.items():
                assert ("ERROR STATE001" in logs[pid]) == (status == STATE001), logs[pid]
    async with place.opened() as store:
        await assert_rounds(store)


def bronze(place: Place, server: Server) -> Bronze:
    arguments = ["run", NAME, "--date", str(DAY), "--set", f"apis.shop.base_url={server.url}"]
    return Bronze(folder=str(place.folder), arguments=arguments)


async def assert_rounds(store: Store) -> None:
    manifest = await manifest_of(store)
    assert manifest is not None
    assert manifest.generation == ROUNDS
    table = await table_of(store)
    assert table["version"].to_pylist() == [ROUNDS] * 3
    await assert_clean(store)


@pytest.mark.asyncio
async def test_runs_at_once_on_local_disk(runs: Runs, tmp_path: Path) -> None:
    await race(runs, local_place(tmp_path / "run"))
    assert hidden_or_empty(tmp_path / "run/bronze") == []


@pytest.mark.asyncio
async def test_runs_at_once_on_s3(runs: Runs, tmp_path: Path, s3_server: S3Server) -> None:
    await race(runs, s3_place(tmp_path / "run", s3_server.url, "s3://lake/bronze"))
    assert s3_server.bucket("lake").uploads == {}


@pytest.mark.asyncio
async def test_runs_at_once_on_azurite(runs: Runs, tmp_path: Path, azurite: Azurite) -> None:
    url = f"az://{await azurite.container()}/bronze"
    await race(runs, azure_place(tmp_path / "run", azurite.origin, url))


async def race_without_lease(runs: Runs, place: Place) -> None:
    """Four that have all read the same manifest and staged their files, 20 times."""
    async with place.opened() as store:
        for number in range(1, ROUNDS + 1):
            names: dict[int, str] = {}
            for racer in range(PROCESSES):
                run = f"r{number}-{racer}"
                pid = await runs.until_stopped(Publish(folder=str(place.folder), run=run))
                names[pid] = run
            for pid in names:
                os.kill(pid, signal.SIGCONT)
            ended = dict([await runs.wait() for _ in names])
            logs = {pid: runs.log(str(place.folder), pid) for pid in names}
            assert Counter(ended.values()) == {COMMITTED: 1, STATE001: 3}, logs
            (winner,) = [names[pid] for pid, status in ended.items() if status == COMMITTED]
            base = await read_base(store, PARTITION, pipeline=PUBLISHED)
            assert base.generation == number
            assert await read_partition(store) == winner
            for pid, status in ended.items():
                told = f"run {winner} committed generation {number}" in logs[pid]
                assert told == (status == STATE001), logs[pid]
        await whole_run(store, "last")
        await assert_published_clean(store, "last")


@pytest.mark.asyncio
async def test_commits_at_once_on_local_disk(runs: Runs, tmp_path: Path) -> None:
    await race_without_lease(runs, local_place(tmp_path / "run"))
    assert hidden_or_empty(tmp_path / "run/bronze") == []


@pytest.mark.asyncio
async def test_commits_at_once_on_s3(runs: Runs, tmp_path: Path, s3_server: S3Server) -> None:
    await race_without_lease(runs, s3_place(tmp_path / "run", s3_server.url, "s3://lake/bronze"))
    assert s3_server.bucket("lake").uploads == {}


@pytest.mark.asyncio
async def test_commits_at_once_on_azurite(runs: Runs, tmp_path: Path, azurite: Azurite) -> None:
    url = f"az://{await azurite.container()}/bronze"
    await race_without_lease(runs, azure_place(tmp_path / "run", azurite.origin, url))
