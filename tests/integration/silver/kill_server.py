"""Runs of Silver that die: a warm process that forks one child a run, so that a kill costs little.

Reads requests and writes how the children ended, as JSON lines. The process has one thread,
no loop and no DuckDB while it forks.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.errors import BronzeError
from bronze_engine.silver import steps as _imported_before_forking  # noqa: F401
from bronze_engine.store.local import disk, flock, folder, temporary
from bronze_engine.store.local.store import open_local
from bronze_engine.testing import Fault, inject
from tests import power
from tests.unit.publish.kill_server import DyingOs
from tests.unit.silver.lake import NAME

__all__ = ["Command"]


class Command(msgspec.Struct):
    """One child: Silver over the lake of a folder that has a pipelines.toml."""

    folder: str
    at: int = 0
    fault: Fault | None = None
    """Where to die: at an operation of the store; None means at a system call that writes."""


async def run(command: Command) -> int:
    config = load_config(Path(command.folder) / "pipelines.toml", environ={})

    @asynccontextmanager
    async def faulty(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
        async with open_local(settings, resources.workers, resources.clock) as store:
            yield inject(store, command.at, command.fault) if command.fault else store

    async with open_engine(config, stores={"local": faulty}, clock=SYSTEM_CLOCK) as engine:
        try:
            await engine.silver(NAME)
        except BronzeError as exc:
            return exc.exit_code
    return 0


def child(command: Command) -> int:
    if command.fault is None and command.at:
        dying = DyingOs(command.at)  # one count over all modules
        for module in (disk, flock, folder, temporary):
            setattr(module, "os", dying)  # noqa: B010
    return asyncio.run(run(command))


def serve() -> None:
    for line in sys.stdin.buffer:
        command = msgspec.json.decode(line, type=Command)
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = child(command)
            finally:
                os._exit(status)
        ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
        sys.stdout.buffer.write(msgspec.json.encode(ended) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    power.never_fails()
    serve()
