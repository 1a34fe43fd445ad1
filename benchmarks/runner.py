"""Runs candidates as subprocesses, in turn, and measures them from outside."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

__all__ = ["Candidate", "Measured", "Skipped", "Spread", "measure", "spread"]

ROOT = Path(__file__).parent.parent
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Candidate:
    name: str
    python: Path
    module: str
    arguments: tuple[str, ...] = ()
    """Its own, beside those of all candidates."""
    files: str = ""
    """Glob of the Parquet files that it writes, below its output directory."""
    watch_lag: bool = False
    environment: dict[str, str] = field(default_factory=dict)


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

    def per_second(self, amount: float = 1.0) -> float:
        """How often it did so much in a second."""
        return self.amount / amount / self.seconds

    def cpu_per(self, amount: float) -> float:
        """CPU seconds for so much."""
        return self.cpu_seconds / self.amount * amount


@dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float

    def __str__(self) -> str:
        digits = 0 if self.median >= 1000 else 1 if self.median >= 20 else 2
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), statistics.median(values), max(values))


def measure(candidate: Candidate, arguments: Sequence[str], check: Callable[[], int]) -> Measured:
    """Run a candidate once. `check` returns what was done or raises AssertionError.

    Raises Skipped where the candidate says that it can't run here.
    """
    idle = _start([str(candidate.python), "-m", "benchmarks.lag"]) if candidate.watch_lag else None
    command = [str(candidate.python), "-m", candidate.module, *candidate.arguments, *arguments]
    with _start(command, candidate.environment) as process:
        peak = _PeakRss(process.pid)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    sampled = peak.stop()
    idle_lag = json.loads(idle.communicate()[0]) if idle else None
    if process.returncode:
        raise RuntimeError(f"{candidate.name} ended with {process.returncode}")
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
    )


def _start(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class _PeakRss:
    """The highest sum of resident memory over a process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
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
