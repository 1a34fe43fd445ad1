"""Locks of local disk: who is kept out, for how long, and what tells that they keep nobody out."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import Conflict, StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.store.local import disk, flock
from bronze_engine.store.local import store as local
from bronze_engine.store.local.store import LocalStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.stores import keys_of
from tests.unit.store.local_disk import everything, opened

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_put_waits_for_another_process_and_then_gives_up(tmp_path: Path) -> None:
    clock = ManualClock(fractions=(1.0,))
    async with opened(tmp_path, clock=clock) as store, opened(tmp_path) as other:
        await other.put("p/m", b"x", expect=ANY)
        lock = disk.put_lock(str(tmp_path), ("p",))
        assert lock.acquire()
        try:
            with pytest.raises(StoreError, match="for 20 s; run again"):
                await clock.drive(store.put("p/m", b"y", expect=ANY))
        finally:
            lock.release()
        assert clock.monotonic() > local.PUT_WAIT_SECONDS
        await store.put("p/m", b"y", expect=ANY)


@pytest.mark.asyncio
async def test_lock_excludes_others_and_tells_its_note(tmp_path: Path) -> None:
    key = "_state/shop/orders.lease"
    async with opened(tmp_path) as store, opened(tmp_path) as other:
        assert await other.lock_note(key) is None
        async with store.lock(key, b"mine"):
            assert await other.lock_note(key) == b"mine"
            with pytest.raises(Conflict):
                async with other.lock(key, b"theirs"):
                    pass
            assert await other.lock_note(key) == b"mine"
            assert await keys_of(store) == []
        assert await other.lock_note(key) is None
        assert everything(tmp_path) == []
        async with other.lock(key, b"theirs"):
            assert await store.lock_note(key) == b"theirs"


@pytest.mark.asyncio
@pytest.mark.parametrize("ahead_seconds", [-3600, 3600])
async def test_a_lock_is_as_old_as_its_file_system_says(
    ahead_seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted one has its server's clock, and machines may disagree with that."""
    key = "_state/shop/orders.lease"
    mine = time.time
    async with opened(tmp_path) as store, opened(tmp_path) as other, store.lock(key, b"mine"):
        monkeypatch.setattr(time, "time", lambda: mine() + ahead_seconds)
        with pytest.raises(Conflict):
            async with other.lock(key, b"theirs", stale_seconds=30):
                pass
        (lock,) = (path for path in (tmp_path / "_state/shop").iterdir())
        os.utime(lock, (0, lock.stat().st_mtime - 31))
        async with other.lock(key, b"theirs", stale_seconds=30):
            assert await store.lock_note(key) == b"theirs"


@pytest.mark.asyncio
async def test_lock_outside_state_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for key in ("shop/orders/dt=2025-01-15/lock", "_state"):
            with pytest.raises(StoreError, match="below _state/"):
                async with store.lock(key, b""):
                    pass


@pytest.mark.asyncio
async def test_many_takers_of_one_lock_never_hold_it_together(tmp_path: Path) -> None:
    held = 0
    taken = 0

    async def take(store: LocalStore) -> None:
        nonlocal held, taken
        for _ in range(30):
            try:
                async with store.lock("_state/x.lease", b"note"):
                    held += 1
                    assert held == 1
                    await anyio.lowlevel.checkpoint()
                    held -= 1
                    taken += 1
            except Conflict:
                await anyio.lowlevel.checkpoint()

    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(take, store)
    assert taken > 0
    assert everything(tmp_path) == []


@pytest.mark.asyncio
async def test_looking_at_the_note_never_keeps_a_taker_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:

        async def look() -> None:
            while True:
                await store.lock_note("_state/x.lease")

        tasks.start_soon(look)
        tasks.start_soon(look)
        for _ in range(100):
            async with store.lock("_state/x.lease", b"note"):
                pass
        tasks.cancel_scope.cancel()


def hold_until_killed(root: str, ready: Any) -> None:
    lock = flock.FileLock(root, ("_state",), ".x.lease")
    assert lock.acquire(b"of the dead")
    ready.send(True)
    ready.recv()


@pytest.mark.asyncio
async def test_lock_dies_with_its_process(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=hold_until_killed, args=(str(tmp_path), theirs))
    process.start()
    ours.recv()
    async with opened(tmp_path) as store:
        with pytest.raises(Conflict):
            async with store.lock("_state/x.lease", b"mine"):
                pass
        process.kill()
        process.join()
        assert everything(tmp_path) == ["_state", "_state/.x.lease"]
        assert await store.lock_note("_state/x.lease") is None
        async with store.lock("_state/x.lease", b"mine"):
            assert await store.lock_note("_state/x.lease") == b"mine"
    assert everything(tmp_path) == []
    process.close()
    ours.close()
    theirs.close()


@pytest.mark.asyncio
async def test_probe_finds_that_locks_exclude_a_second_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        began = SYSTEM_CLOCK.monotonic()
        assert await store.excludes()
        assert SYSTEM_CLOCK.monotonic() - began < 2.0
    assert everything(tmp_path) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
async def test_probe_that_no_second_process_answers_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """As where this user may not read the interpreter."""
    monkeypatch.setattr(sys, "executable", program)
    async with opened(tmp_path) as store:
        assert await store.excludes()
    assert everything(tmp_path) == []


@pytest.mark.asyncio
async def test_probe_finds_a_lock_that_excludes_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PretendingFcntl:
        LOCK_EX = LOCK_NB = LOCK_SH = LOCK_UN = 0

        def flock(self, fd: int, operation: int) -> None:
            pass

    monkeypatch.setattr(flock, "fcntl", PretendingFcntl())
    async with opened(tmp_path) as store:
        assert not await store.excludes()


def no_flock(_fd: int, _operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.asyncio
async def test_file_system_without_locks_needs_single_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", no_flock)
    async with opened(tmp_path) as store:
        with pytest.raises(StoreError, match="single_writer = true"):
            await store.put("a", b"x", expect=ANY)
    async with opened(tmp_path, single_writer=True) as store:
        version = await store.put("a", b"x", expect=ABSENT)
        with pytest.raises(Conflict):
            await store.put("a", b"y", expect=ABSENT)
        async with store.lock("_state/x.lease", b"note"):
            await store.put("a", b"y", expect=version)


def test_a_look_at_the_note_is_told_from_a_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another looks, the exclusive lock is refused, but a shared one is granted."""
    calls: list[int] = []

    def flock_while_another_looks(fd: int, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            raise BlockingIOError
        real_flock(fd, operation)

    real_flock = fcntl.flock
    monkeypatch.setattr("fcntl.flock", flock_while_another_looks)
    lock = flock.FileLock(str(tmp_path), ("_state",), ".x.lease")
    assert lock.acquire()
    lock.release()
    assert calls[0] & fcntl.LOCK_EX
    assert calls[1] & fcntl.LOCK_SH
