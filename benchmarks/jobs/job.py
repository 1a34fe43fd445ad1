"""What every candidate shares: how it is told its job, and the line with which it reports.

Standard library only, because rivals run in an environment of their own. A job is a NamedTuple
of strings, numbers and paths; it comes as JSON, the one argument of the program.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

__all__ = ["Work", "measured", "run", "run_program", "skip", "told"]

Job = TypeVar("Job")
Work = Callable[[Job], dict[str, Any] | None]

PATHS: Final = ("out", "path")


def told(kind: Callable[..., Job]) -> Job:
    """The job of this program."""
    fields = json.loads(sys.argv[1])
    return kind(**{k: Path(v) if k in PATHS else v for k, v in fields.items()})


def run(kind: Callable[..., Job], work: Work[Job]) -> None:
    """Do the work and report what it took, imports and start-up left out."""
    job = told(kind)
    with measured() as extra:
        extra.update(work(job) or {})


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Report the seconds and CPU seconds of the body, and what it puts into the dictionary.

    What imports have left to the garbage collector (0.05 s for botocore and pyarrow, at some
    moment of the next second) comes before the clock, as the imports do.
    """
    extra: dict[str, Any] = {}
    gc.collect()
    base = _rss_bytes("VmRSS")
    cpu, started = _cpu_seconds(), time.perf_counter()
    yield extra
    report = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _cpu_seconds() - cpu,
        "base_rss_bytes": base,
        "peak_rss_bytes": _rss_bytes("VmHWM"),
        **extra,
    }
    sys.stdout.write(json.dumps(report) + "\n")


def run_program(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end, what it prints thrown away unless it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | dict(environment or {}),
    )
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}")


def skip(reason: str) -> NoReturn:
    """Say why this candidate can't run here, and end."""
    sys.stdout.write(json.dumps({"skipped": reason}) + "\n")
    sys.exit()


def _cpu_seconds() -> float:
    whole = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in whole)


def _rss_bytes(which: str) -> int:
    """Of this program alone: the kernel's ru_maxrss would begin with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0]) * 1024
