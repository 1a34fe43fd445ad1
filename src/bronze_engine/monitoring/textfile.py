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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.telemetry.events import Event, RunFinished
from bronze_engine.telemetry.prometheus.exposition import Family, Malformed, parse, render
from bronze_engine.telemetry.prometheus.runs import Ended, in_order, record
from bronze_engine.workers import Workers

__all__ = ["INTERVAL_SECONDS", "Textfile", "write_runs"]

log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 5.0
"""Between two writes: node_exporter is scraped every 15 s or so, and a batch ends many runs a
second."""

_LOCKED_SECONDS: Final = 0.05
"""Another process holds the lock for some milliseconds; no worker waits for one that is stopped."""


@final
class Textfile:
    """Keeps the file, when it is told of runs. Implements `queue.Consumer`."""

    def __init__(self, path: Path, clock: Clock, workers: Workers) -> None:
        self._path = path
        self._clock = clock
        self._workers = workers

    def pick(self, event: Event, /) -> Ended | None:
        if not isinstance(event, RunFinished):
            return None
        return Ended(report=event.report, at=self._clock.now())

    async def take(self, items: Sequence[Ended], /) -> None:
        try:
            while not await self._workers.run(write_runs, self._path, items):
                await self._clock.sleep(_LOCKED_SECONDS)
        except OSError as exc:
            why = exc.strerror or str(exc)
            log.warning("%s can't be written (%s); metrics are lost", self._path, why)


def write_runs(path: Path, runs: Sequence[Ended]) -> bool:
    """Add these runs to the file: blocking, atomic, and together with other processes' runs.

    The file is replaced, mode 0644, because node_exporter is another user. Returns False, and
    has done nothing, while another process holds the lock. Raises OSError.
    """
    with _locked(path.with_name(f".{path.name}.lock")) as is_mine:
        if is_mine:
            families = _read(path)
            record(families, runs)
            _replace(path, render(in_order(families)))
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
