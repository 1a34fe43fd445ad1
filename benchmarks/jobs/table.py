"""What every candidate that reads a database is told.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["TableJob"]


class TableJob(NamedTuple):
    """Land every row of `table` as Parquet, compressed by zstd at level 1."""

    dsn: str
    """postgresql://user:password@host:port/database, with nothing that must be escaped."""
    table: str
    out: Path
    """Where it lands, unless there is a store; a folder of the run's own in any case."""
    store: dict[str, str] | None = None
    """Where else than `out`: the keys of a [stores.NAME]."""
    partitions: int | None = None
    """Slices that are read side by side, where a candidate has such a setting."""
    rows: int | None = None
    """How many rows, the first of the table, where not all: for the slow."""
