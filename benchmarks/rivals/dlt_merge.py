"""dlt's merge into DuckDB: the changes as Arrow tables into a staging table, then by SQL.

Its strategy "upsert" is one MERGE of the staging table; its default, "delete-insert", takes longer.
DuckDB has the memory that ours has; left alone it takes most of the machine's. The table is filled
by DuckDB itself, so that its making takes seconds: dlt has made it, with the first rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DATA_WRITER__COMPRESSION": "zstd",
    }
)

import dlt
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.destinations import duckdb as duckdb_destination
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from benchmarks.jobs.merge import KEY, MergeJob, run_merge, start_from

__all__: list[str] = []

NAME = "dlt"
FILE = "lake.duckdb"
MEMORY = "512MiB"
BATCH_ROWS = 128 * 1024


def load(place: Path, tables: Iterator[pa.Table]) -> None:
    credentials = DuckDbCredentials(str(place / FILE))
    credentials.global_config = {"memory_limit": MEMORY, "preserve_insertion_order": False}
    pipeline: Any = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(place / "pipelines"),
        destination=duckdb_destination(credentials),
        dataset_name="bench",
    )
    resource = dlt.resource(
        tables,
        name="rows",
        primary_key=KEY,
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    pipeline.run(resource, loader_file_format="parquet")


def prepare(job: MergeJob) -> None:
    place = job.path / NAME
    if place.exists():
        return
    place.mkdir()
    load(place, iter([next(batches(job.current)).slice(0, 1)]))
    with duckdb.connect(str(place / FILE)) as connection:
        connection.execute("DELETE FROM bench.rows")
        connection.execute(f"INSERT INTO bench.rows BY NAME FROM '{job.current}'")


def begin(job: MergeJob) -> None:
    start_from(job.path / NAME, job.out)


def merge(job: MergeJob) -> None:
    load(job.out, batches(job.changes))


def batches(path: Path) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
        yield pa.Table.from_batches([batch])


if __name__ == "__main__":
    run_merge(merge, prepare, begin)
