"""Counts of one run, written on the event loop only, and what the process used for it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import final

from bronze_engine.model.concurrency import ConcurrencyTrace

if sys.platform != "win32":
    import resource

__all__ = ["SourceTally", "Usage"]

log = logging.getLogger(__name__)


@final
class SourceTally:
    """What a source has done so far in one run."""

    def __init__(self, label: str | None = None) -> None:
        """`label` says in the log whose warnings they are; None where nobody is told there."""
        self._label = label
        self.pages = 0
        self.requests = 0
        self.retries = 0
        self.bytes_in = 0
        """Response bodies as they came over the wire, before decompression."""
        self.reached: str | None = None
        """Up to which cursor value everything was read, where a source knows: of today's date that
        is less than was asked for. None leaves it to the instant at which the run began."""
        self.warnings: list[str] = []
        self.trace: Callable[[], ConcurrencyTrace] | None = None
        """Tells how many requests may be in flight; None until the source's limits are known."""

    def concurrency(self) -> ConcurrencyTrace | None:
        """How many requests were in flight at once; None where none was sent."""
        return self.trace() if self.trace is not None and self.requests else None

    def warn(self, message: str) -> None:
        """Tell a warning in the log, and keep it for the report; the same one once."""
        if message not in self.warnings:
            self.warnings.append(message)
            if self._label is not None:
                log.warning("%s: %s", self._label, message)

    def recall(self, warnings: Iterable[str]) -> None:
        """Keep what an earlier attempt of the run has warned of: it was told then."""
        self.warnings += [each for each in warnings if each not in self.warnings]


@final
class Usage:
    """What the process has used since this was made. Runs side by side share the process."""

    def __init__(self) -> None:
        self._cpu = time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all threads."""
        return time.process_time() - self._cpu

    @property
    def peak_rss_bytes(self) -> int:
        """The largest resident set of this program so far; 0 where the platform does not tell."""
        try:
            # ru_maxrss would begin with what the parent held when it started us.
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        except (OSError, IndexError, ValueError):
            pass
        if sys.platform == "win32":
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
