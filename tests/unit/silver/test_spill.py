"""The folder of one run's temporary files: gone with the run, however it ends."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.errors import StoreError
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.spill import open_spill
from bronze_engine.silver.database.sql import literal
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

HOLD = """
import sys, anyio
from bronze_engine.silver.database.spill import open_spill
from bronze_engine.workers import Workers
async def main():
    with Workers(1) as workers:
        async with open_spill(sys.argv[1], "run", workers) as folder:
            (folder / "files").mkdir()
            (folder / "files" / "x").write_bytes(b"x" * 1000)
            print(folder, flush=True)
            await anyio.sleep_forever()
anyio.run(main)
"""


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def hold(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)


def held_by(process: subprocess.Popen[bytes]) -> Path:
    assert process.stdout is not None
    return Path(os.fsdecode(process.stdout.readline().strip()))


@pytest.mark.asyncio
async def test_folder_is_the_users_alone_and_goes_with_the_run(tmp_path: Path) -> None:
    with Workers(1) as workers:
        async with open_spill(str(tmp_path / "a/b"), "run", workers) as folder:
            (folder / "files").mkdir()
            (folder / "files/x").write_bytes(b"x")
            assert folder.parent == tmp_path / "a/b"
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert f"-{os.getpid()}-run" in folder.name
        assert entries(tmp_path / "a/b") == []


@pytest.mark.asyncio
async def test_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    with Workers(1) as workers:
        with anyio.CancelScope() as scope:
            async with open_spill(str(tmp_path), "run", workers) as folder:
                (folder / "x").write_bytes(b"x")
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert entries(tmp_path) == []


@pytest.mark.asyncio
async def test_cancelled_while_every_worker_is_busy_it_leaves_nothing(tmp_path: Path) -> None:
    """By `task.cancel()`, which no scope of anyio's holds off."""
    busy, is_over = threading.Event(), threading.Event()

    def work() -> None:
        busy.set()
        is_over.wait(10)

    async def spilling(workers: Workers) -> None:
        async with open_spill(str(tmp_path), "run", workers):
            others.append(asyncio.create_task(workers.run(work)))
            while not busy.is_set():
                await anyio.lowlevel.checkpoint()

    others: list[asyncio.Task[None]] = []
    with Workers(1) as workers:
        task = asyncio.create_task(spilling(workers))
        while not busy.is_set():
            await anyio.lowlevel.checkpoint()
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        task.cancel()
        await anyio.lowlevel.checkpoint()
        is_over.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await others[0]
    assert entries(tmp_path) == []


@pytest.mark.asyncio
async def test_two_runs_of_one_process_have_two_folders(tmp_path: Path) -> None:
    with Workers(1) as workers:
        async with (
            open_spill(str(tmp_path), "one", workers) as one,
            open_spill(str(tmp_path), "two", workers) as two,
        ):
            assert one != two
            assert entries(tmp_path) == sorted([one, two])


@pytest.mark.asyncio
async def test_what_a_killed_process_left_is_removed_and_what_a_live_one_has_is_not(
    tmp_path: Path,
) -> None:
    held = [hold(tmp_path), hold(tmp_path)]
    try:
        folders = [held_by(process) for process in held]
        held[0].send_signal(signal.SIGKILL)
        held[0].wait()
        assert (folders[0] / "files/x").exists()
        with Workers(1) as workers:
            async with open_spill(str(tmp_path), "run", workers) as mine:
                assert entries(tmp_path) == sorted([folders[1], mine])
                assert (folders[1] / "files/x").exists()
    finally:
        for process in held:
            process.kill()
            process.communicate()


@pytest.mark.asyncio
async def test_pid_tells_nothing_of_who_lives(tmp_path: Path) -> None:
    """Of two containers with one volume both may have our pid; and a dead one's is given anew."""
    alive, dead = (tmp_path / f"bronze-silver-{os.getpid()}-{name}" for name in ("alive", "dead"))
    gone = tmp_path / "bronze-silver-999999999-alive"
    for folder in (alive, dead, gone):
        folder.mkdir()
        (folder / ".lock").touch()
    locks = [os.open(folder / ".lock", os.O_RDWR) for folder in (alive, gone)]
    try:
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_EX)
        with Workers(1) as workers:
            async with open_spill(str(tmp_path), "run", workers):
                assert alive.exists()
                assert gone.exists()
                assert not dead.exists()
    finally:
        for lock in locks:
            os.close(lock)


@pytest.mark.asyncio
async def test_folder_that_is_about_to_be_locked_is_left_alone_until_it_is_old(
    tmp_path: Path,
) -> None:
    unborn, old = tmp_path / ".bronze-silver-1-unborn", tmp_path / ".bronze-silver-1-old"
    for folder in (unborn, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    with Workers(1) as workers:
        async with open_spill(str(tmp_path), "run", workers):
            assert unborn.exists()
            assert not old.exists()


@pytest.mark.asyncio
async def test_other_entries_and_links_are_not_touched(tmp_path: Path) -> None:
    spill, elsewhere = tmp_path / "spill", tmp_path / "elsewhere"
    spill.mkdir()
    elsewhere.mkdir()
    (elsewhere / ".lock").touch()
    (spill / "mine").mkdir()
    (spill / "bronze-silver-file").touch()
    (spill / "bronze-silver-1-link").symlink_to(elsewhere)
    with Workers(1) as workers:
        async with open_spill(str(spill), "run", workers):
            pass
    assert elsewhere.exists()
    assert [entry.name for entry in entries(spill)] == [
        "bronze-silver-1-link",
        "bronze-silver-file",
        "mine",
    ]


@pytest.mark.asyncio
async def test_duckdb_reads_and_spills_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """A pattern that matches nothing else is the path that it is."""
    (tmp_path / "x1").mkdir()
    with Workers(2) as workers:
        async with open_spill(str(tmp_path / "x[1]*? 'dt=1'"), "run", workers) as folder:
            path = folder / "t.parquet"
            pq.write_table(pa.table({"i": range(3)}), path)
            async with Database(workers, folder, memory_bytes=64 * 1024**2) as database:
                found = await database.execute(
                    f"SELECT * FROM read_parquet({literal(str(path))}) ORDER BY ALL"
                )
                await database.execute(
                    "CREATE TABLE t AS SELECT md5(i::VARCHAR) AS h FROM range(2000000) t(i)"
                )
                assert any(folder.rglob("*.tmp"))
    assert found == [(0,), (1,), (2,)]


@pytest.mark.asyncio
async def test_place_where_no_folder_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Workers(1) as workers, pytest.raises(StoreError, match=r"/file: .*engine\.spill_dir"):
        async with open_spill(str(tmp_path / "file"), "run", workers):
            pass


@pytest.mark.asyncio
async def test_without_a_place_it_is_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Workers(1) as workers:
        async with open_spill(None, "run", workers) as folder:
            assert folder.parent == tmp_path


@pytest.mark.asyncio
async def test_where_the_system_has_no_place_it_asks_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    with Workers(1) as workers, pytest.raises(StoreError, match=r"No usable.*engine\.spill_dir"):
        async with open_spill(None, "run", workers):
            pass
