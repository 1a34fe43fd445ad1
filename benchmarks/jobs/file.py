"""What every candidate that reads a file is told, and what the file holds.

Standard library only, because rivals run in an environment of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["COLUMNS", "FIELDS", "FileJob"]

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
