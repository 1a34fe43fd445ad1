"""dlt's sql_database into its filesystem destination, as Parquet: many tables, one pipeline.

Each table is a resource that is parallelized, over ConnectorX, whose batches are written as they
come: the settings of `dlt_table`.
"""

from __future__ import annotations

import os

from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run

os.environ.update(
    {
        "DATA_WRITER__COMPRESSION": "zstd",
        "EXTRACT__WORKERS": "8",
    }
)

from dlt.sources.sql_database import sql_database

from benchmarks.rivals.dlt_lake import pipeline


def land(job: TablesJob) -> None:
    source = sql_database(
        credentials=job.dsn.replace("postgresql:", "postgresql+psycopg2:"),
        schema="public",
        table_names=job.tables,
        backend="connectorx",
        backend_kwargs={"return_type": "arrow_stream"},
        chunk_size=50_000,
        reflection_level="full_with_precision",
    )
    pipeline(job.out).run(
        source.parallelize(), loader_file_format="parquet", write_disposition="replace"
    )


if __name__ == "__main__":
    run(TablesJob, land)
