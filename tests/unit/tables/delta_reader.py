"""A Delta table as deltalake and DuckDB read it, from a copy on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from bronze_engine.contracts import Store
from bronze_engine.testing.stores import keys_of, read_all

Row = dict[str, Any]


async def copy_to(store: Store, root: str, folder: Path) -> Path:
    """All that lies below `root`, as files in a new folder."""
    keys = await keys_of(store, f"{root}/")
    return _written(folder, {key[len(root) + 1 :]: await read_all(store, key) for key in keys})


def _written(folder: Path, bodies: Mapping[str, bytes]) -> Path:
    copy = Path(tempfile.mkdtemp(dir=folder, prefix="copy-"))
    for name, body in bodies.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(body)
    return copy


def read_delta(folder: Path, version: int | None = None) -> list[Row]:
    """Its rows by deltalake's own engine, and by DuckDB over its Arrow: the same, in some order."""
    table = DeltaTable(folder, version=version)
    ours = pa.table(QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all())
    with duckdb.connect() as connection:
        connection.register("t", ours)
        counted = connection.execute("SELECT count(*) FROM t").fetchone()
    assert counted == (ours.num_rows,)
    return ordered(ours.to_pylist())


def ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def with_date(rows: list[Row], day: date) -> list[Row]:
    return [{**row, "dt": day} for row in rows]
