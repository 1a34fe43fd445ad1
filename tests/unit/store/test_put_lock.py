"""Puts of processes that are stopped amid them, at every system call, and wake up late."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.errors import Conflict
from bronze_engine.model.part import ABSENT, Expect
from bronze_engine.store.local import disk, flock, folder

pytestmark = pytest.mark.unit

KEY = ("p", "m")
MODULES = (disk, flock, folder)
STOPS = frozenset({"ftruncate", "open", "pwrite", "rename", "scandir", "stat", "unlink", "utime"})
"""Before these it makes a difference to stop."""


class StoppingOs:
    """The module os, whose functions are where a thread stops, as SIGSTOP stops a process."""

    def __init__(self) -> None:
        self.sleepers: dict[int, Sleeper] = {}
        """By the thread that each works in."""

    def __getattr__(self, name: str) -> Any:
        if name == "fsync":  # nothing here dies
            return lambda _: None
        found = getattr(os, name)
        if name not in STOPS:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            sleeper = self.sleepers.get(threading.get_ident())
            if sleeper is not None:
                sleeper.before()
            return found(*args, **kwargs)

        return call


class Sleeper:
    """A put that stops before its n-th system call."""

    def __init__(self, pool: ThreadPoolExecutor, stopping: StoppingOs, at: int) -> None:
        self._calls = at
        self._pool = pool
        self._stopping = stopping
        self._stopped, self._wake = threading.Event(), threading.Event()
        self._future: Future[bool] | None = None

    def put(self, root: Path, body: bytes, expect: Expect) -> bool:
        """Whether it stopped; else it has ended."""
        self._future = self._pool.submit(self._work, root, body, expect)
        assert self._stopped.wait(timeout=30)
        return self._calls <= 0

    def end(self) -> bool:
        """Wake up; whether it has written."""
        self._wake.set()
        assert self._future is not None
        return self._future.result(timeout=30)

    def before(self) -> None:
        self._calls -= 1
        if self._calls == 0:
            self._stopped.set()
            assert self._wake.wait(timeout=30)

    def _work(self, root: Path, body: bytes, expect: Expect) -> bool:
        self._stopping.sleepers[threading.get_ident()] = self
        try:
            return put(root, body, expect)
        finally:
            del self._stopping.sleepers[threading.get_ident()]
            self._stopped.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> StoppingOs:
    """Every lock counts as that of a stopped process."""
    stopping = StoppingOs()
    for module in MODULES:
        monkeypatch.setattr(module, "os", stopping)
    monkeypatch.setattr(disk, "PUT_STALE_SECONDS", 0.0)
    return stopping


def put(root: Path, body: bytes, expect: Expect) -> bool:
    """As the store puts: again while others do; whether it was written."""
    for _ in range(100):
        try:
            if disk.put(str(root), KEY, body, expect, lenient=False) is not None:
                return True
        except Conflict:
            return False
    raise AssertionError("it never came to an end")


def assert_one_winner(root: Path, wrote: dict[bytes, bool]) -> None:
    winners = [body for body, written in wrote.items() if written]
    assert len(winners) == 1, f"{winners} all say that they have replaced the same version"
    assert disk.get(str(root), KEY) == winners[0]
    assert sorted(path.name for path in root.rglob("*")) == ["m", "p"]


@pytest.mark.parametrize("again", [False, True], ids=["absent", "a version"])
def test_a_put_that_stops_anywhere_replaces_nothing_that_it_has_not_seen(
    stopping: StoppingOs, pool: ThreadPoolExecutor, tmp_path: Path, again: bool
) -> None:
    overtaken = 0
    for at in range(1, 1000):
        root = tmp_path / str(at)
        base = disk.put(str(root), KEY, b"base", ABSENT, lenient=False) if again else ABSENT
        assert base is not None
        sleeper = Sleeper(pool, stopping, at)
        is_stopped = sleeper.put(root, b"stopped", base)
        wrote = {b"other": put(root, b"other", base)}
        wrote[b"stopped"] = sleeper.end()
        assert_one_winner(root, wrote)
        overtaken += wrote[b"other"]
        if not is_stopped:
            break
    assert 10 < overtaken < at


@pytest.mark.slow
def test_two_puts_that_stop_anywhere_and_a_third(
    stopping: StoppingOs, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """Every pair of places to stop, waking up in either order."""
    calls = calls_of_a_put(stopping, pool, tmp_path / "calls")
    places = range(1, calls + 1)
    for one, two, is_in_order in itertools.product(places, places, (True, False)):
        root = tmp_path / f"{one}-{two}-{is_in_order}"
        base = disk.put(str(root), KEY, b"base", ABSENT, lenient=False)
        assert base is not None
        sleepers = {b"1": Sleeper(pool, stopping, one), b"2": Sleeper(pool, stopping, two)}
        for body, sleeper in sleepers.items():
            sleeper.put(root, body, base)
        wrote = {b"3": put(root, b"3", base)}
        for body in sorted(sleepers, reverse=not is_in_order):
            wrote[body] = sleepers[body].end()
        assert_one_winner(root, wrote)


def calls_of_a_put(stopping: StoppingOs, pool: ThreadPoolExecutor, root: Path) -> int:
    base = disk.put(str(root), KEY, b"base", ABSENT, lenient=False)
    assert base is not None
    for at in range(1, 1000):
        sleeper = Sleeper(pool, stopping, at)
        is_stopped = sleeper.put(root, b"base", base)
        sleeper.end()
        if not is_stopped:
            return at
    raise AssertionError("a put has no end")
