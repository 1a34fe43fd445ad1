"""The Prometheus file for node_exporter's textfile collector, which several processes share.

It is read, added to and replaced under a lock on a file beside it, so that no process's series
are lost; readers see the file of before or of after. A file that can't be read as metrics is
begun anew, and one that can't be written is a warning: neither concerns the run.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from bronze_engine.clock import Clock
from bronze_engine.monitoring.queue import open_queue
from bronze_engine.telemetry.events import Event, RunFinished
from bronze_engine.telemetry.prometheus.exposition import Family, Malformed, parse, render
from bronze_engine.telemetry.prometheus.runs import Ended, record
from bronze_engine.workers import Workers

__all__ = ["open_textfile", "write_runs"]

log = logging.getLogger(__name__)

_INTERVAL_SECONDS: Final = 5.0
"""Between two writes: node_exporter is scraped every 15 s or so, and a batch ends many runs a
second."""

_LOCKED_SECONDS: Final = 0.05
"""Another process holds the lock for some milliseconds; no worker waits for one that is stopped."""


@asynccontextmanager
async def open_textfile(
    path: Path, clock: Clock, workers: Workers, *, grace_seconds: Callable[[], float]
) -> AsyncIterator[Callable[[Event], None]]:
    """A hook that keeps the file: each run that ends is in it a few seconds later, and all are
    when this is left."""

    async def take(runs: Sequence[Ended]) -> None:
        try:
            while not await workers.run(write_runs, path, runs):
                await clock.sleep(_LOCKED_SECONDS)
        except OSError as exc:
            log.warning("%s can't be written (%s); metrics are lost", path, exc.strerror or exc)

    async with open_queue(
        take,
        name="telemetry.prometheus_file",
        clock=clock,
        interval_seconds=_INTERVAL_SECONDS,
        grace_seconds=grace_seconds,
    ) as queue:

        def hook(event: Event, /) -> None:
            if isinstance(event, RunFinished):
                queue.put(Ended(report=event.report, at=clock.now()))

        yield hook


def write_runs(path: Path, runs: Sequence[Ended]) -> bool:
    """Add these runs to the file: blocking, atomic, and together with other processes' runs.

    The file is replaced, mode 0644, because node_exporter is another user. Returns False, and
    has done nothing, while another process holds the lock. Raises OSError.
    """
    with _locked(path.with_name(f".{path.name}.lock")) as is_mine:
        if is_mine:
            families = _read(path)
            for ended in runs:
                record(families, ended)
            _replace(path, render(families.values()))
        return is_mine


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """The lock file stays: one that was removed would be locked by two."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, Family]:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (Malformed, UnicodeDecodeError) as exc:
        log.warning("%s does not hold our metrics (%s); it is begun anew", path, exc)
        return {}


def _replace(path: Path, text: str) -> None:
    # The collector reads *.prom alone, so it never reads half of this.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
