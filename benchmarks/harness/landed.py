"""What a candidate has landed, as DuckDB reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

__all__ = ["FILES_READ", "Landed", "look"]

FILES_READ = "read_parquet(?, hive_partitioning = false, union_by_name = true)"
"""A table in SQL; its parameter is a list of file names."""


@dataclass(frozen=True)
class Landed:
    amount: int
    """What was done, as it was counted: rows, bytes, pipelines."""
    types: dict[str, str] = field(default_factory=dict)
    """What each column landed as, in DuckDB's words."""
    changed: list[str] | None = None
    """Columns whose values are not those of the source; None where they were not compared."""
    codec: str = ""
    files: int = 0
    size_bytes: int = 0

    def but(self, changed: Sequence[str]) -> Landed:
        return replace(self, changed=list(changed))


def look(files: Sequence[Path]) -> Landed:
    """Rows, types, codec and sizes of Parquet files. Raises AssertionError where there are none."""
    assert files, "nothing landed"
    names = [str(file) for file in files]
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE FROM {FILES_READ}", [names]).fetchall()
        codecs = connection.execute(
            "SELECT DISTINCT compression FROM parquet_metadata(?)", [names]
        ).fetchall()
        [[rows]] = connection.execute(
            "SELECT sum(num_rows) FROM parquet_file_metadata(?)", [names]
        ).fetchall()
    return Landed(
        amount=int(rows),
        types={name: str(kind) for name, kind, *_ in described},
        codec="+".join(sorted(codec.lower() for (codec,) in codecs)),
        files=len(files),
        size_bytes=sum(file.stat().st_size for file in files),
    )
