"""What every candidate shares: its arguments, and the line with which it reports.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Job", "measured", "run"]


class Job(NamedTuple):
    """Land every record of `url`/orders below `out` as Parquet."""

    url: str
    token: str
    records: int
    page_size: int
    out: Path
    store: dict[str, str] | None = None
    """Where else than `out`: the keys of a [stores.NAME]."""
    in_flight: int | None = None
    """Requests at once, for candidates that would find the number."""


def run(work: Callable[[Job], dict[str, Any] | None]) -> None:
    """Do the work and report what it took, imports and start-up left out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--page-size", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--store", type=json.loads)
    parser.add_argument("--in-flight", type=lambda text: None if text == "auto" else int(text))
    job = Job(**vars(parser.parse_args()))
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
    cpu, started = _cpu_seconds(), time.perf_counter()
    yield extra
    report = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _cpu_seconds() - cpu,
        "peak_rss_bytes": _peak_rss_bytes(),
        **extra,
    }
    sys.stdout.write(json.dumps(report) + "\n")


def _cpu_seconds() -> float:
    whole = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in whole)


def _peak_rss_bytes() -> int:
    """Of this program alone: the kernel's ru_maxrss would begin with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
