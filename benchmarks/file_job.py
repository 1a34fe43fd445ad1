"""What every candidate that reads a file shares: its arguments, and what the file holds.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.job import measured

__all__ = ["COLUMNS", "FIELDS", "FileJob", "run"]

COLUMNS: Final[Mapping[str, str]] = {
    "id": "int64",
    "account": "string",
    "name": "string",
    "quantity": "int32",
    "amount": "decimal(12,2)",
    "price": "double",
    "active": "bool",
    "day": "date",
    "changed_at": "timestamp(ms)",
    "note": "string",
}
"""Types by column, as `schema.columns` names them. The account begins with zeros; the note is
absent in one row of eight, and has commas and quotes in another."""

FIELDS: Final[Mapping[str, int]] = {
    "id": 10,
    "account": 10,
    "name": 14,
    "quantity": 6,
    "amount": 12,
    "price": 20,
    "active": 5,
    "day": 10,
    "changed_at": 23,
    "note": 44,
}
"""Widths of the fixed-width file, whose amount has no point and its minus behind it."""


class FileJob(NamedTuple):
    """Land every row of `path` below `out` as Parquet, compressed by zstd at level 1."""

    path: Path
    format: str
    """csv, ndjson, fixed or parquet."""
    out: Path

    @classmethod
    def of_arguments(cls) -> FileJob:
        parser = argparse.ArgumentParser()
        parser.add_argument("--path", type=Path, required=True)
        parser.add_argument("--format", required=True)
        parser.add_argument("--out", type=Path, required=True)
        return cls(**vars(parser.parse_args()))


def run(work: Callable[[FileJob], dict[str, Any] | None]) -> None:
    """Do the work and report what it took, imports and start-up left out."""
    job = FileJob.of_arguments()
    with measured() as extra:
        extra.update(work(job) or {})
