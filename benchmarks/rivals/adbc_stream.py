"""ADBC's driver for PostgreSQL, a RecordBatchReader written batch by batch.

It reads COPY's binary form by libpq. Numbers of type numeric come as text: its only way.
"""

from __future__ import annotations

import adbc_driver_postgresql.dbapi
import pyarrow.parquet as pq

from benchmarks.table_job import TableJob, run


def land(job: TableJob) -> None:
    with adbc_driver_postgresql.dbapi.connect(job.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {job.table}")  # noqa: S608  # a name of ours
        reader = cursor.fetch_record_batch()
        path = job.out / "table.parquet"
        with pq.ParquetWriter(path, reader.schema, compression="zstd", compression_level=1) as file:
            for batch in reader:
                file.write_batch(batch)


if __name__ == "__main__":
    run(land)
