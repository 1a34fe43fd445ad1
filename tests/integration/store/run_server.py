"""Whole runs that die, stop, or race: a warm process that forks one child for each.

Reads commands and answers, a JSON line each. While it forks it has one thread, no loop and
no client: every child opens its own. What a child prints goes to `{pid}.log` in its folder.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, final

import msgspec

# All that a child would import is imported before it is forked.
from bronze_engine.adapters import store_opener
from bronze_engine.cli.main import main
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.engine import open_engine
from bronze_engine.errors import BronzeError
from bronze_engine.model.block import Block
from bronze_engine.publish import lease, traces
from bronze_engine.publish.base import read_base
from bronze_engine.publish.commit import publish
from bronze_engine.sources.http import source as _http  # noqa: F401
from bronze_engine.store import azure as _azure  # noqa: F401
from bronze_engine.store.local import disk
from bronze_engine.store.s3 import client as s3_client
from bronze_engine.store.s3.models import models
from bronze_engine.testing import Fault, Pause, ScriptedSource, inject, page
from tests import power
from tests.integration.store.places import ROWS, Place
from tests.unit.publish.runs import PARTITION, stage_run
from tests.unit.publish.runs import PIPELINE as PUBLISHED
from tests.unit.run.harness import DAY, NAME

__all__ = ["Bronze", "Command", "Land", "Publish", "Wait"]

PART_BYTES: Final = 2048
"""So that a file of a few rows has several parts."""
NOTE: Final = os.urandom(600).hex()
"""In every row, and hard to compress."""


class Land(msgspec.Struct, tag=True):
    """Land one version of the rows with an engine; answers the pid."""

    folder: str
    version: int
    at: int = 0
    """The operation of the store, over the whole run, at which `fault` is done."""
    on: tuple[str, str] | None = None
    """In place of its number: the method, and how the key ends."""
    fault: Fault | None = None
    stops_reading: bool = False
    """Stop in the source, between the two pages."""
    stops_renaming: str | None = None
    """Stop amid a put on local disk, before the rename to this name."""
    lease_seconds: float = lease.LEASE_SECONDS
    renew_seconds: float = lease.RENEW_SECONDS
    put_seconds: float = disk.PUT_STALE_SECONDS
    wait_seconds: float = 0.0
    uid: int | None = None
    """The user to run as, in its group of that number and no other."""
    is_later: bool = False
    """A minute later: what trials of the store have left is swept."""
    operations: str | None = None
    """A file to write the operations of the store to."""


class Publish(msgspec.Struct, tag=True):
    """Read the base and stage files; stop; publish. Answers the pid."""

    folder: str
    run: str


class Bronze(msgspec.Struct, tag=True):
    """Stop; once continued, run the command line. Answers the pid."""

    folder: str
    arguments: list[str]


class Wait(msgspec.Struct, tag=True):
    """Wait until any child ends or stops; answers its pid, and its exit status, minus the
    signal that killed it, or None where it is stopped."""


Command = Land | Publish | Bronze | Wait


@final
class StoppingSlice:
    """Two pages, and SIGSTOP between them."""

    def __init__(self, *pages: Block | Pause) -> None:
        self._pages = pages

    def __getitem__(self, index: int) -> Block | Pause:
        return self._pages[index]

    def __len__(self) -> int:
        return len(self._pages)

    def __iter__(self) -> Iterator[Block | Pause]:
        first, *rest = self._pages
        yield first
        os.kill(os.getpid(), signal.SIGSTOP)
        yield from rest


@final
class StoppingOs:
    """The module os, which stops the process before it renames anything to `name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def rename(self, old: str, new: str, **folders: int) -> None:
        if new == self._name:
            # This thread, a worker: told to the process, it might take the next step first.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        os.rename(old, new, **folders)  # noqa: PTH104  # as it was called


def source(version: int, *, stops: bool = False) -> ScriptedSource:
    """Two files of several parts, a reject and two captured pages, all of one version."""
    rows = [{"id": number, "version": version, "note": NOTE} for number in range(ROWS)]
    pages: list[Any] = [page(1, *rows[:3], captured=True), page(2, *rows[3:], b"{", captured=True)]
    return ScriptedSource([StoppingSlice(*pages) if stops else pages])  # type: ignore[list-item]


async def land(command: Land, operations: list[tuple[str, str]]) -> int:
    config = load_config(Path(command.folder) / "pipelines.toml", environ={})
    tag = str(config.place("lake").__struct_config__.tag)
    opener = store_opener(tag, {})

    def is_chosen(method: str, key: str) -> bool:
        on = command.on
        return on is not None and method == on[0] and key.endswith(on[1])

    @asynccontextmanager
    async def faulty(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
        async with opener(settings, resources) as store:
            fault = command.fault or "fail_before"
            wrapped = inject(store, command.at, fault, when=is_chosen)
            yield wrapped
            operations.extend(wrapped.script.operations)

    script = source(command.version, stops=command.stops_reading)
    try:
        async with open_engine(
            config, sources={"http": script}, stores={tag: faulty}, clock=SYSTEM_CLOCK
        ) as engine:
            await engine.run(NAME, run_date=DAY, wait_seconds=command.wait_seconds)
    except BronzeError as exc:
        traceback.print_exception(exc)
        return exc.exit_code
    return 0


async def publish_alone(command: Publish) -> int:
    """Without a lease: the manifest alone decides."""
    async with Place(Path(command.folder)).opened() as store:
        base = await read_base(store, PARTITION, pipeline=PUBLISHED)
        manifest, staged = await stage_run(store, base, command.run)
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            await publish(store, base, manifest, staged, SYSTEM_CLOCK)
        except BronzeError as exc:
            traceback.print_exception(exc)
            return exc.exit_code
    return 0


def work(command: Land | Publish | Bronze) -> int:
    match command:
        case Land():
            lease.LEASE_SECONDS = command.lease_seconds  # type: ignore[misc]
            lease.RENEW_SECONDS = command.renew_seconds  # type: ignore[misc]
            lease._POLL_SECONDS = min(1.0, command.lease_seconds / 3)  # type: ignore[misc]
            disk.PUT_STALE_SECONDS = command.put_seconds  # type: ignore[misc]
            if command.stops_renaming is not None:
                setattr(disk, "os", StoppingOs(command.stops_renaming))  # noqa: B010
            if command.is_later:
                traces._PREFLIGHT_AGE = timedelta(seconds=-10)  # type: ignore[misc]
            if command.uid is not None:
                os.setgroups([])
                os.setegid(command.uid)
                os.seteuid(command.uid)
            operations: list[tuple[str, str]] = []
            status = asyncio.run(land(command, operations))
            if command.operations is not None:
                Path(command.operations).write_bytes(msgspec.json.encode(operations))
            return status
        case Publish():
            return asyncio.run(publish_alone(command))
        case Bronze():
            os.chdir(command.folder)
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                main(command.arguments)
            except SystemExit as exc:
                return int(exc.code or 0)
            raise AssertionError("a command ends with SystemExit")


def fork(command: Land | Publish | Bronze) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        log = os.open(f"{command.folder}/{os.getpid()}.log", os.O_WRONLY | os.O_CREAT, 0o666)
        for number in (1, 2):
            os.dup2(log, number)
        status = work(command)
    except BaseException:  # noqa: BLE001  # it is told, and nothing of it must reach `serve`
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait() -> tuple[int, int | None]:
    pid, status = os.waitpid(-1, os.WUNTRACED)
    return pid, None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def warm() -> None:
    """What a child would read and compute for the first time."""
    for name in ("ascii", "utf-8-sig"):
        codecs.lookup(name)  # another user may not read where Python's modules lie
    defaults = ParquetEncoder.__init__.__kwdefaults__
    assert defaults is not None
    defaults["part_bytes"] = PART_BYTES
    loader = models()
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    setattr(s3_client, "models", lambda: loader)  # noqa: B010


def serve() -> None:
    warm()
    for line in sys.stdin.buffer:
        command: Command = msgspec.json.decode(line, type=Command)
        answer = wait() if isinstance(command, Wait) else fork(command)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    power.never_fails()
    serve()
