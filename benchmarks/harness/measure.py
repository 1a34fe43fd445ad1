"""Runs a candidate as a subprocess, and measures it from outside."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal

import psutil

__all__ = ["ROOT", "Candidate", "Kind", "Measured", "Skipped", "measure"]

ROOT: Final = Path(__file__).parents[2]
SAMPLE_SECONDS: Final = 0.1

_ALLOCATOR: Final = "ARROW_DEFAULT_MEMORY_POOL"
"""Arrow's, as the command `bronze` chooses it; so for whoever else uses Arrow."""

Kind = Literal["ours", "limit", "framework", "library", "script"]
"""A framework moves data by itself (dlt, Airbyte, Sling, ingestr); a library takes a program
around it (DuckDB, ADBC, boto3); a script is what an engineer writes in an hour. The limit is no
rival: what is to be had where nothing is done with the data."""


@dataclass(frozen=True)
class Candidate:
    name: str
    label: str
    """As a page names it; {dlt} is the version of that package."""
    kind: Kind
    python: Path
    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its job that are its own."""
    files: str = ""
    """Glob of the Parquet files that it writes, below its output directory."""
    watch_lag: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Skipped(Exception):
    """A candidate can't run here; the text says why."""


@dataclass(frozen=True)
class Measured:
    """One run of one candidate, whose result was right."""

    amount: int
    """What it has done, as the check counted it: records, bytes."""
    seconds: float
    """Of the work alone, as the candidate's own clock saw it."""
    cpu_seconds: float
    """Of the work alone, children included."""
    process_cpu_seconds: float
    """Of the whole process and its children, interpreter and imports included."""
    peak_rss_bytes: int
    """Of the process and its children together."""
    lag_ms: dict[str, float] | None = None
    idle_lag_ms: dict[str, float] | None = None
    base_rss_bytes: int = 0
    """Of the process as the work begins: interpreter and libraries."""


def measure(candidate: Candidate, job: Mapping[str, Any], check: Callable[[], int]) -> Measured:
    """Run a candidate once. `check` returns what was done or raises AssertionError.

    Raises Skipped where the candidate says that it can't run here, RuntimeError where it fails.
    """
    idle = None
    if candidate.watch_lag:
        idle = _start([str(candidate.python), "-m", "benchmarks.candidates.lag"], {})
    told = json.dumps({**job, **candidate.settings}, default=str)
    command = [str(candidate.python), "-m", candidate.module, told]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        with _start(command, candidate.environment, said) as process:
            peak = _PeakRss(process.pid)
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        sampled = peak.stop()
        idle_lag = json.loads(idle.communicate()[0]) if idle else None
        if process.returncode:
            said.seek(0)
            last = (said.read().splitlines() or ["it said nothing"])[-1]
            raise RuntimeError(f"{candidate.name} ended with {process.returncode}: {last}")
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    if "skipped" in report:
        raise Skipped(report["skipped"])
    return Measured(
        amount=check(),
        seconds=report["seconds"],
        cpu_seconds=report["cpu_seconds"],
        process_cpu_seconds=usage.ru_utime + usage.ru_stime,
        # The kernel's own peak is exact for one process; only sampling sees several together.
        peak_rss_bytes=max(report["peak_rss_bytes"], sampled),
        lag_ms=report.get("lag_ms"),
        idle_lag_ms=idle_lag,
        base_rss_bytes=report["base_rss_bytes"],
    )


def _start(
    command: list[str], environment: Mapping[str, str], said: IO[str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={_ALLOCATOR: "jemalloc", **os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )


class _PeakRss:
    """The highest sum of resident memory over a process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            total = 0
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self._peak = max(self._peak, total)

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._peak
