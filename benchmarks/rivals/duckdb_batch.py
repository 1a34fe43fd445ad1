"""DuckDB's postgres extension over many tables, one connection, one table after another.

What `duckdb_copy` does: its own threads read a table's blocks side by side.
"""

from __future__ import annotations

from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run
from benchmarks.rivals.duckdb_copy import attached, copy


def land(job: TablesJob) -> None:
    with attached(job.dsn) as connection:
        for table in job.tables:
            copy(connection, table, f"{job.out}/{table}.parquet")


if __name__ == "__main__":
    run(TablesJob, land)
