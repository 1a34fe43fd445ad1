"""What a piece of work leaves behind: tasks, threads, sockets and files that are still open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["Footprint", "footprint", "nothing_left"]

_PATIENCE_SECONDS: Final = 2.0
"""A closed socket is gone some turns of the loop later, and its server's end later still."""

_TURN_SECONDS: Final = 0.002


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has at one instant that work may forget to give back."""

    tasks: frozenset[asyncio.Task[object]]
    threads: frozenset[threading.Thread]
    descriptors: frozenset[str]
    """Of open files and sockets, with what each is; empty where the platform does not tell."""

    def beyond(self, before: Footprint) -> list[str]:
        """What there is here that was not there before, for people."""
        tasks = (f"task {task.get_name()}" for task in self.tasks - before.tasks)
        threads = (f"thread {thread.name}" for thread in self.threads - before.threads)
        return sorted([*tasks, *threads, *(self.descriptors - before.descriptors)])


def footprint() -> Footprint:
    """What there is now. Called on the loop."""
    return Footprint(
        tasks=frozenset(asyncio.all_tasks()),
        threads=frozenset(threading.enumerate()),
        descriptors=frozenset(_descriptors()),
    )


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Raises AssertionError where the body has left something that was not there before.

    Waits up to two seconds for what is on its way out. A body that raises is not judged.
    """
    before = footprint()
    yield
    waited = 0.0
    while left := footprint().beyond(before):
        if waited > _PATIENCE_SECONDS:
            raise AssertionError(f"left behind: {', '.join(left)}")
        await SYSTEM_CLOCK.sleep(_TURN_SECONDS)
        waited += _TURN_SECONDS


def _descriptors() -> list[str]:
    found: list[str] = []
    folder = Path("/proc/self/fd")
    for each in folder.iterdir() if folder.exists() else ():
        try:
            found.append(f"descriptor {each.name} ({each.readlink()})")
        except OSError:  # the one that listed the folder
            continue
    return found
