"""What every candidate that reads a database shares: its arguments.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from benchmarks.job import measured

__all__ = ["TableJob", "run", "run_program", "skip"]


class TableJob(NamedTuple):
    """Land every row of `table` below `out` as Parquet, compressed by zstd at level 1."""

    dsn: str
    """postgresql://user:password@host:port/database, with nothing that must be escaped."""
    table: str
    out: Path
    variant: str = ""
    """Which of the ways of a candidate that has several."""
    rows: int | None = None
    """How many rows, the first of the table, where not all: for the slow."""

    @classmethod
    def of_arguments(cls) -> TableJob:
        parser = argparse.ArgumentParser()
        parser.add_argument("--dsn", required=True)
        parser.add_argument("--table", required=True)
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--variant", default="")
        parser.add_argument("--rows", type=int)
        return cls(**vars(parser.parse_args()))


def run(work: Callable[[TableJob], dict[str, Any] | None]) -> None:
    """Do the work and report what it took, imports and start-up left out."""
    job = TableJob.of_arguments()
    with measured() as extra:
        extra.update(work(job) or {})


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
