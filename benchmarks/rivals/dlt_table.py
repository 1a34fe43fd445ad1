"""dlt's sql_table into its filesystem destination, as Parquet, at its best settings.

Of its backends ConnectorX is the fastest, as a stream the leaner: its batches are written as they
come, with no step that copies rows, and files are not compressed twice. No progress display, no
telemetry. Chunks of 250,000 rows in place of 50,000 took more memory and were no faster.
"""

from __future__ import annotations

import os

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob

os.environ.update(
    {
        "DATA_WRITER__COMPRESSION": "zstd",
    }
)

from dlt.sources.sql_database import sql_table

from benchmarks.rivals.dlt_lake import pipeline


def land(job: TableJob) -> None:
    source = sql_table(
        credentials=job.dsn.replace("postgresql:", "postgresql+psycopg2:"),
        table=job.table,
        schema="public",
        backend="connectorx",
        backend_kwargs={"return_type": "arrow_stream"},
        chunk_size=50_000,
        reflection_level="full_with_precision",
    )
    pipeline(job.out, job.store).run(
        source, loader_file_format="parquet", write_disposition="replace"
    )


if __name__ == "__main__":
    run(TableJob, land)
