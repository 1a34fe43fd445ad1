"""Whole runs that die: a warm process that forks one child a run, so that a kill costs little.

Reads requests and writes how the children ended, as JSON lines. The process has one thread
and no loop while it forks.
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

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.engine import open_engine
from bronze_engine.errors import BronzeError
from bronze_engine.sources.http import source as _imported_before_forking  # noqa: F401
from bronze_engine.store.local import disk, flock, folder, temporary
from bronze_engine.store.local.store import open_local
from bronze_engine.testing import Fault, Pause, ScriptedSource, inject, page
from tests import power
from tests.unit.publish.kill_server import DyingOs
from tests.unit.run.harness import DAY, NAME

ROWS = 6

CONFIG = """
[engine]
log_dir = ""
target = "lake"
[stores.lake]
type = "local"
path = "bronze"
single_writer = true
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.team.orders.source]
type = "http"
api = "shop"
capture = "pages"
[pipelines.team.orders.quality]
max_bad_rows = 1
[pipelines.team.orders.output]
row_group_rows = 3
max_rows_per_file = 3
"""


class Command(msgspec.Struct):
    """One child for each of `versions`, all of them at once."""

    root: str
    versions: list[int]
    at: int = 0
    fault: Fault | None = None
    """Where to die: at an operation of the store; None means at a system call that writes."""
    replays: bool = False
    """Decode the captured pages of what is committed, in place of a run."""
    holds_seconds: float = 0.0
    """How long each run reads: while it does, the others must be kept out."""


def source(version: int, holds_seconds: float = 0.0) -> ScriptedSource:
    """Two files, a reject and two captured pages, all marked with the version."""
    rows = [{"id": number, "version": version} for number in range(ROWS)]
    return ScriptedSource(
        [[page(1, *rows, captured=True), Pause(holds_seconds), page(2, b"{", captured=True)]]
    )


async def run(command: Command, version: int) -> int:
    config = load_config(Path(command.root) / "pipelines.toml", environ={})
    script = source(version, command.holds_seconds)

    @asynccontextmanager
    async def faulty(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
        async with open_local(settings, resources.workers, resources.clock) as store:
            yield inject(store, command.at, command.fault) if command.fault else store

    async with open_engine(
        config, sources={"http": script}, stores={"local": faulty}, clock=SYSTEM_CLOCK
    ) as engine:
        try:
            work = engine.replay if command.replays else engine.run
            await work(NAME, run_date=DAY)
        except BronzeError as exc:
            return exc.exit_code
    return 0


def child(command: Command, version: int) -> int:
    if command.fault is None and command.at:
        dying = DyingOs(command.at)  # one count over all modules
        for module in (disk, flock, folder, temporary):
            setattr(module, "os", dying)  # noqa: B010
    return asyncio.run(run(command, version))


def serve() -> None:
    for line in sys.stdin.buffer:
        command = msgspec.json.decode(line, type=Command)
        root = Path(command.root)
        root.mkdir(exist_ok=True)
        (root / "pipelines.toml").write_text(CONFIG)
        children: list[int] = []
        for version in command.versions:
            pid = os.fork()
            if pid == 0:
                status = 70
                try:
                    status = child(command, version)
                finally:
                    os._exit(status)
            children.append(pid)
        ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        sys.stdout.buffer.write(msgspec.json.encode(ended) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    power.never_fails()
    serve()
