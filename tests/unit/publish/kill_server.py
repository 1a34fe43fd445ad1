"""Runs that die: a warm process that forks one child a request, so that a kill costs little.

Reads requests and writes how the children ended, as JSON lines. The process has one thread
and no loop while it forks.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.errors import StateError
from bronze_engine.store.local import disk, flock, folder, temporary
from bronze_engine.store.local.store import open_local
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.workers import Workers
from tests import power

from .runs import whole_run

COMMITTED = 0
STATE001 = 7
KILLED = -signal.SIGKILL

WRITES = ("fsync", "ftruncate", "mkdir", "open", "pwrite", "rename", "rmdir", "unlink")


class Command(msgspec.Struct):
    """One child for each of `runs`, all of them at once."""

    root: str
    runs: list[str]
    at: int = 0
    fault: Fault | None = None
    """Where to die: at an operation of the store; None means at a system call that writes."""


class DyingOs:
    """The module os, which kills the process before its n-th call that may change a disk."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._calls = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._deadly(found) if name in WRITES else found

    def _deadly(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            writes = call is not os.open or bool(args[1] & os.O_CREAT)
            if writes and next(self._calls) == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted


async def run(command: Command, name: str) -> int:
    with Workers(2) as workers:
        config = LocalStoreConfig(path=command.root)
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            fault = command.fault
            try:
                await whole_run(inject(store, command.at, fault) if fault else store, name)
            except StateError:
                return STATE001
    return COMMITTED


def child(command: Command, name: str) -> int:
    if command.fault is None and command.at:
        dying = DyingOs(command.at)  # one count over all modules
        for module in (disk, flock, folder, temporary):
            setattr(module, "os", dying)  # noqa: B010
    return asyncio.run(run(command, name))


def serve() -> None:
    for line in sys.stdin.buffer:
        command = msgspec.json.decode(line, type=Command)
        children: list[int] = []
        for name in command.runs:
            pid = os.fork()
            if pid == 0:
                status = 70
                try:
                    status = child(command, name)
                finally:
                    os._exit(status)
            children.append(pid)
        ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        sys.stdout.buffer.write(msgspec.json.encode(ended) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    power.never_fails()
    serve()
