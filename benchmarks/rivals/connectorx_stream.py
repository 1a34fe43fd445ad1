"""ConnectorX as a stream of Arrow batches, each written as it comes, over COPY's binary form.

Whole tables (return_type = "arrow") are as fast here and hold all rows in memory at once; ranges
read side by side (partition_on) are no faster on two cores.
"""

from __future__ import annotations

import connectorx
import pyarrow.parquet as pq

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob

BATCH_ROWS = 65_536


def land(job: TableJob) -> None:
    batches = connectorx.read_sql(
        job.dsn,
        f"SELECT * FROM {job.table}",  # noqa: S608  # a name of ours
        protocol="binary",
        return_type="arrow_stream",
        batch_size=BATCH_ROWS,
    )
    path = job.out / "table.parquet"
    with pq.ParquetWriter(path, batches.schema, compression="zstd", compression_level=1) as file:
        for batch in batches:
            file.write_batch(batch)


if __name__ == "__main__":
    run(TableJob, land)
