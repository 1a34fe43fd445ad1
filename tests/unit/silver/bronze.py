"""Partitions of Bronze as tests write them: a Parquet file each, and the manifest that lists it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.changes import Changes
from bronze_engine.model.manifest import Load, Manifest, SourceInfo, columns_of
from bronze_engine.silver.columns.columns import resolve
from bronze_engine.silver.intake.records import record_select
from tests.unit.config.files import API, ORDERS, load

HERE = "pipelines.myteam.orders"
DAY = date(2025, 1, 15)


def pipeline(folder: Path, silver: str, top: str = 'primary_key = ["id"]') -> Pipeline:
    """A pipeline whose [silver] is `silver`, which may hold tables below it as [.columns]."""
    text = f"{API}{ORDERS}".replace(f"[{HERE}]\n", f"[{HERE}]\n{top}\n")
    body = silver.replace("[.", f"[{HERE}.silver.")
    found = load(folder, f"{text}\n[{HERE}.silver]\n{body}\n")
    return found.pipeline("myteam.orders")


def manifest(
    columns: pa.Schema, day: date = DAY, *, made_by: Load = "full", cdc: Changes | None = None
) -> Manifest:
    return Manifest(
        format_version=1,
        pipeline="myteam.orders",
        system="myteam",
        entity="orders",
        run_date=day,
        run="r1",
        attempt="a1",
        generation=1,
        epoch=1,
        written_at=datetime(2025, 1, 15, tzinfo=UTC),
        load=made_by,
        cdc=cdc,
        source=SourceInfo(type="http", location=""),
        row_count=0,
        schema=columns_of(columns),
        arrow_schema=schema_to_text(columns) if len(columns) else "",
    )


def written(folder: Path, table: pa.Table, name: str = "part.parquet") -> Path:
    path = folder / name
    pq.write_table(table, path)
    return path


def database() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect()
    found.execute("SET TimeZone = 'UTC'")
    return found


def records(
    chosen: Pipeline,
    folder: Path,
    table: pa.Table,
    *,
    of: Manifest | None = None,
    others: Sequence[Manifest] = (),
    name: str = "part.parquet",
) -> list[dict[str, Any]]:
    """The records of a file, as the table of this one date (and others') has them."""
    path = written(folder, table, name)
    made = manifest(table.schema) if of is None else of
    shape = resolve(chosen, [made, *others], None)
    sql = record_select(chosen, shape, made, 0, str(path), names=table.schema.names)
    with database() as duck:
        return list(duck.sql(sql).to_arrow_table().to_pylist())
