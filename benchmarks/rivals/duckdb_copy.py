"""DuckDB's postgres extension, from the table straight into Parquet.

DuckDB reads ranges of the table's blocks side by side, and gives up the order of rows for speed,
as its guide to performance advises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob

EXTENSION = (
    Path(duckdb_extension_postgres_scanner.__file__).parent
    / f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
)


@contextmanager
def attached(dsn: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the server's tables."""
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"LOAD '{EXTENSION}'")
        connection.execute(f"ATTACH '{dsn}' AS source (TYPE postgres, READ_ONLY)")
        yield connection


def copy(connection: duckdb.DuckDBPyConnection, table: str, to: str) -> None:
    connection.execute(
        f"COPY source.public.{table} TO '{to}'"
        " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


def land(job: TableJob) -> None:
    with attached(job.dsn) as connection:
        copy(connection, job.table, f"{job.out}/table.parquet")


if __name__ == "__main__":
    run(TableJob, land)
