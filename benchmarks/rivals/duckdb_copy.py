"""DuckDB's postgres extension, from the table straight into Parquet.

DuckDB reads ranges of the table's blocks side by side, and gives up the order of rows for speed,
as its guide to performance advises.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner

from benchmarks.table_job import TableJob, run

EXTENSION = (
    Path(duckdb_extension_postgres_scanner.__file__).parent
    / f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
)


def land(job: TableJob) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"LOAD '{EXTENSION}'")
        connection.execute(f"ATTACH '{job.dsn}' AS source (TYPE postgres, READ_ONLY)")
        connection.execute(
            f"COPY source.public.{job.table} TO '{job.out}/table.parquet'"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )


if __name__ == "__main__":
    run(land)
