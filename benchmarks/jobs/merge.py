"""What every candidate that merges a day's changes into a table is told, and what they are.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.jobs.job import measured, told

__all__ = ["COLUMNS", "DELTA_DAY", "KEY", "ORDER", "MergeJob", "run_merge", "start_from"]

KEY: Final = "id"
ORDER: Final = "updated_at"
COLUMNS: Final = (KEY, "name", "amount", "status", ORDER, "score", "note", "is_paid")
DELTA_DAY: Final = "2025-01-05"


class MergeJob(NamedTuple):
    """Bring a table up to a day's changes: of each key the record with the newest `updated_at`.

    The table is the candidate's own, made beforehand and below `path`; what it becomes lies below
    `out`. Parquet is compressed by zstd at level 1.
    """

    path: Path
    """Holds days/, one Parquet file a day, current.parquet, which is all days merged, and a
    folder of each delta with the file of `DELTA_DAY`."""
    out: Path
    delta: str = ""
    """The folder of the delta; "": all days are merged, from nothing."""
    is_prepared: bool = True
    """False asks for the candidate's own table, at `path`, and for nothing else."""
    is_streaming: bool = True
    """Of candidates that have two engines."""
    history: str = "current"
    """Of those that can keep one: what is kept."""
    load: str = "incremental"
    """What a day is to those that ask: "full" makes it a snapshot."""
    encoding: str = "plain"
    """Of numbers and times, of those that can be asked for another."""

    @property
    def days(self) -> list[Path]:
        return sorted((self.path / "days").glob("*.parquet"))

    @property
    def current(self) -> Path:
        return self.path / "current.parquet"

    @property
    def changes(self) -> Path:
        return self.path / self.delta / f"{DELTA_DAY}.parquet"


def run_merge(
    merge: Callable[[MergeJob], None],
    prepare: Callable[[MergeJob], None] | None = None,
    begin: Callable[[MergeJob], None] | None = None,
) -> None:
    """`prepare` makes the candidate's table, once; `begin` brings it to where `merge` finds it.
    Only `merge` is measured."""
    job = told(MergeJob)
    if not job.is_prepared:
        if prepare is not None:
            prepare(job)
        return
    if begin is not None:
        begin(job)
    with measured():
        merge(job)


def start_from(table: Path, out: Path) -> None:
    """The table at another place. Parquet files, which nobody writes to, are linked there."""
    shutil.copytree(table, out, dirs_exist_ok=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
