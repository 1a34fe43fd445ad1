"""ADBC's driver for PostgreSQL, a RecordBatchReader written batch by batch.

It reads COPY's binary form by libpq. Numbers of type numeric come as text: its only way.
"""

from __future__ import annotations

import adbc_driver_postgresql.dbapi
import pyarrow.parquet as pq
from pyarrow import fs

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob
from benchmarks.rivals.pyarrow_lake import lake


def copy(dsn: str, table: str, place: str, files: fs.FileSystem | None = None) -> None:
    """A table into a file, of the local file system unless another is given."""
    with adbc_driver_postgresql.dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # a name of ours
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(
            place, reader.schema, filesystem=files, compression="zstd", compression_level=1
        ) as file:
            for batch in reader:
                file.write_batch(batch)


def land(job: TableJob) -> None:
    files, folder = lake(job.store, job.out)
    copy(job.dsn, job.table, f"{folder}/table.parquet", files)


if __name__ == "__main__":
    run(TableJob, land)
