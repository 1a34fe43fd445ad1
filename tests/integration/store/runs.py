"""Runs in processes of their own, and a reader that judges what they leave."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from bronze_engine.contracts import Store
from bronze_engine.testing.stores import read_all
from tests.integration import s3_objects
from tests.integration.store.places import ROWS
from tests.integration.store.run_server import Bronze, Land, Publish, Wait
from tests.unit.run.harness import left_in, manifest_of, partition_of, unowned

__all__ = [
    "COMMITTED",
    "KILLED",
    "STATE001",
    "STG001",
    "Runs",
    "assert_clean",
    "lanes",
    "runs",
    "small_parts",
    "version_in",
    "warm_lanes",
]

COMMITTED, STG001, STATE001, KILLED = 0, 6, 7, -signal.SIGKILL
REPOSITORY = Path(__file__).parents[3]


class Runs:
    """The warm process, and the children that it has."""

    def __init__(self) -> None:
        self._process = warm()
        self._children: dict[int, str] = {}

    def start(self, command: Land | Publish | Bronze) -> int:
        """Fork one run; its pid."""
        pid = int(self._ask(command))
        self._children[pid] = command.folder
        return pid

    async def wait(self) -> tuple[int, int | None]:
        """Wait until any child ends or stops: its pid and exit status, None where it stopped."""
        loop = asyncio.get_running_loop()
        pid, status = await loop.run_in_executor(None, self._ask, Wait())
        if status is not None:
            del self._children[pid]
        return pid, status

    async def run(self, command: Land | Publish | Bronze) -> int | None:
        """One run, to its end; None where it has stopped."""
        pid = self.start(command)
        ended, status = await self.wait()
        assert ended == pid
        assert status != 70, self.log(command.folder, pid)
        return status

    async def until_stopped(self, command: Land | Publish | Bronze) -> int:
        """Its pid, once it has stopped."""
        pid = self.start(command)
        assert await self.wait() == (pid, None), self.log(command.folder, pid)
        return pid

    async def resume(self, pid: int) -> int | None:
        """Let a stopped run go on; how it ends."""
        os.kill(pid, signal.SIGCONT)
        ended, status = await self.wait()
        assert ended == pid
        return status

    def log(self, folder: str, pid: int) -> str:
        """What a child has printed."""
        return (Path(folder) / f"{pid}.log").read_text()

    def end(self) -> None:
        """Begin anew after a test that has failed: it left children, running or stopped, and
        perhaps a thread that waits for an answer, which the next test would take for its own."""
        if not self._children:
            return
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._children.clear()
        self.close()
        self._process = warm()

    def close(self) -> None:
        self._process.kill()
        with self._process:
            pass

    def _ask(self, command: msgspec.Struct) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline())


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our S3 server takes parts of any size: files of a few rows have several here."""
    monkeypatch.setattr(s3_objects, "MIN_PART_BYTES", 1)


def warm() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store.run_server"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.fixture(scope="session")
def warm_lanes() -> Iterator[tuple[Runs, Runs]]:
    with closing(Runs()) as one, closing(Runs()) as two:
        yield one, two


@pytest.fixture
def lanes(warm_lanes: tuple[Runs, Runs]) -> Iterator[tuple[Runs, Runs]]:
    """Two warm processes, for what may be done side by side."""
    yield warm_lanes
    for runs in warm_lanes:
        runs.end()


@pytest.fixture
def runs(lanes: tuple[Runs, Runs]) -> Runs:
    return lanes[0]


async def version_in(store: Store) -> int | None:
    """What a reader that follows the manifest sees, checked to the last byte: the version of
    the rows, or None where nothing is committed."""
    manifest = await manifest_of(store)
    if manifest is None:
        return None
    rows: list[dict[str, Any]] = []
    hashes = {file.name: file.sha256 for file in manifest.listed}
    for name, sha256 in hashes.items():
        body = await read_all(store, f"{partition_of()}/{name}")
        assert hashlib.sha256(body).hexdigest() == sha256, f"{name} is torn"
        if name.endswith(".parquet"):
            rows += pq.read_table(io.BytesIO(body)).to_pylist()
    assert len(manifest.quarantine) == 1
    assert [file.page_count for file in manifest.pages] == [2]
    assert [row["id"] for row in rows] == list(range(ROWS))
    (version,) = {row["version"] for row in rows}
    assert isinstance(version, int)
    return version


async def assert_clean(store: Store) -> None:
    """Nothing is there but one commit, its hint and the reports: no orphan, no staged file, no
    lease, nothing of a preflight."""
    left = unowned(await left_in(store), await manifest_of(store))
    assert left == [], f"left behind: {left}"
