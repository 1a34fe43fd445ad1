"""A temporary copy is gone whatever ends its use, and at whichever instant."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, cast, final

import anyio
import anyio.lowlevel
import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.sources.files import spool
from bronze_engine.sources.files.spool import spooled
from bronze_engine.workers import Workers

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

JOBS: Final = 4
"""To begin, to write each of two chunks, to remove."""


@pytest.fixture(params=["nameless", "named"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What TMPDIR is, on a system that has nameless files and on one that has not."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.param == "named":
        monkeypatch.setattr(spool, "_DESCRIPTORS", str(tmp_path / "there are none"))
    return tmp_path


def left(folder: Path) -> list[str]:
    """Files of a directory, and descriptors that are open on one that was there."""
    links = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    opened = [str(each.readlink()) for each in links]
    named = [each.name for each in folder.iterdir()]
    return [*named, *(each for each in opened if each.startswith(f"{folder}/"))]


async def chunks() -> AsyncIterator[bytes]:
    for chunk in (b"one", b"two"):
        await anyio.lowlevel.checkpoint()
        yield chunk


@final
class Interrupted:
    """Workers whose job of a number is at work when `cancel` is called."""

    def __init__(self, workers: Workers, number: int, cancel: Callable[[], object]) -> None:
        self._workers = workers
        self._left = number
        self._cancel = cancel

    async def run(self, function: Callable[..., Any], *args: object) -> Any:
        self._left -= 1
        if self._left:
            return await self._workers.run(function, *args)
        loop = asyncio.get_running_loop()
        is_cancelled = threading.Event()

        def cancel() -> None:
            self._cancel()
            loop.call_soon(is_cancelled.set)

        def job() -> Any:
            loop.call_soon_threadsafe(cancel)
            is_cancelled.wait()
            return function(*args)

        return await self._workers.run(job)


async def test_a_copy_can_be_read_more_than_once_and_is_gone_then(folder: Path) -> None:
    with Workers(1) as workers:
        async with spooled(chunks(), workers, name="a.csv") as path:
            assert [path.read_bytes(), path.read_bytes()] == [b"onetwo"] * 2
            assert path.stat().st_size == 6
            assert left(folder)
        assert left(folder) == []


@pytest.mark.parametrize("job", range(1, JOBS + 1))
@pytest.mark.parametrize("is_native", [False, True])
async def test_cancelled_at_work_it_leaves_nothing(folder: Path, job: int, is_native: bool) -> None:
    task: asyncio.Task[Any] | None = None
    begun = asyncio.Event()
    ends: list[str] = []

    async def use(workers: Workers) -> None:
        nonlocal task
        task = asyncio.current_task()
        with anyio.CancelScope() as scope:
            cancel = task.cancel if task is not None and is_native else scope.cancel
            interrupted = cast("Workers", Interrupted(workers, job, cancel))
            async with spooled(chunks(), interrupted, name="a.csv"):
                begun.set()
            await anyio.lowlevel.checkpoint()
        ends.append("cancelled" if scope.cancelled_caught else "done")

    with Workers(2) as workers:
        await asyncio.gather(asyncio.create_task(use(workers)), return_exceptions=True)
        assert left(folder) == []
    assert ends == ([] if is_native else ["cancelled"])
    assert begun.is_set() == (job == JOBS)


@final
class Waiting:
    """Workers whose job of a number is cancelled before a worker is free for it."""

    def __init__(self, workers: Workers, number: int) -> None:
        self._workers = workers
        self._left = number

    async def run(self, function: Callable[..., Any], *args: object) -> Any:
        self._left -= 1
        if not self._left:
            is_free = threading.Event()
            self._workers._pool.submit(is_free.wait)
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            assert task is not None
            task.cancel()
            loop.call_soon(loop.call_soon, is_free.set)
        return await self._workers.run(function, *args)


@pytest.mark.parametrize("job", range(1, JOBS + 1))
async def test_cancelled_while_it_waits_for_a_worker_it_leaves_nothing(
    folder: Path, job: int
) -> None:
    async def use(workers: Workers) -> None:
        async with spooled(chunks(), cast("Workers", Waiting(workers, job)), name="a.csv"):
            pass

    with Workers(1) as workers:
        found = await asyncio.gather(asyncio.create_task(use(workers)), return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert left(folder) == []


async def test_a_disk_that_does_not_take_it_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with (
        Workers(1) as workers,
        pytest.raises(ExtractError, match=r"a\.csv can't be copied to .*/nowhere"),
    ):
        async with spooled(chunks(), workers, name="a.csv"):
            pass


async def test_a_system_without_a_folder_for_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container whose root file system can only be read."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    told = r"a\.csv can't be copied to a temporary folder: No usable .*; point TMPDIR to a disk"
    with Workers(1) as workers, pytest.raises(ExtractError, match=told):
        async with spooled(chunks(), workers, name="a.csv"):
            pass
