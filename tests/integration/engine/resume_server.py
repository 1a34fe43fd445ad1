"""Runs over windows that die: a warm process that forks one child a run.

As `kill_server`, for runs that resume: against a server that counts what it is asked for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.engine import open_engine
from bronze_engine.errors import BronzeError
from bronze_engine.sources.http import source as _imported_before_forking  # noqa: F401
from bronze_engine.store.local.store import open_local
from bronze_engine.telemetry.events import Event, PageFetched
from bronze_engine.testing import inject
from tests import power

NAME = "team.orders"
DAY = date(2025, 1, 15)


class Command(msgspec.Struct):
    """One run in `root`, whose pipelines.toml is there; killed where it is told to be."""

    root: str
    at_page: int = 0
    """After so many pages were handed on; 0 is never."""
    at_operation: int = 0
    """After so many operations of the store; 0 is never."""


async def run(command: Command) -> int:
    config = load_config(Path(command.root) / "pipelines.toml", environ={})
    pages = 0

    def count(event: Event) -> None:
        nonlocal pages
        pages += isinstance(event, PageFetched)
        if command.at_page and pages >= command.at_page:
            os.kill(os.getpid(), signal.SIGKILL)

    @asynccontextmanager
    async def deadly(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
        async with open_local(settings, resources.workers, resources.clock) as store:
            yield inject(store, command.at_operation, "kill_after")

    async with open_engine(
        config, hooks=[count], stores={"local": deadly}, clock=SYSTEM_CLOCK
    ) as engine:
        try:
            await engine.run(NAME, run_date=DAY)
        except BronzeError as exc:
            print(exc, file=sys.stderr)  # noqa: T201
            return exc.exit_code
    return 0


def serve() -> None:
    for line in sys.stdin.buffer:
        command = msgspec.json.decode(line, type=Command)
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = asyncio.run(run(command))
            finally:
                os._exit(status)
        ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
        sys.stdout.buffer.write(msgspec.json.encode(ended) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    power.never_fails()
    serve()
