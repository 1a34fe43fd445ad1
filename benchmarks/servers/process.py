"""A server as a child process: its CPU is its own, and is not counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness.measure import ROOT

__all__ = ["serve"]


@contextmanager
def serve(module: str, *arguments: str) -> Iterator[str]:
    """Start a module that prints its URL, and serves until its input ends; gives the URL."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()  # closes its input, which ends it
