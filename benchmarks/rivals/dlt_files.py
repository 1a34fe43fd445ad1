"""dlt's filesystem source into its filesystem destination, as Parquet, at its best settings.

CSV by its DuckDB reader, whose Arrow batches are written as they come (`read_csv`, by pandas, takes
several times as long); Parquet likewise; NDJSON as Python objects, which is all that it has. No
progress display, no telemetry, files not compressed twice.
"""

from __future__ import annotations

import os

from benchmarks.jobs.file import FileJob
from benchmarks.jobs.job import run

os.environ.update(
    {
        "DATA_WRITER__COMPRESSION": "zstd",
    }
)

from dlt.sources.filesystem import filesystem, read_csv_duckdb, read_jsonl, read_parquet

from benchmarks.rivals.dlt_lake import pipeline

CHUNK_ROWS = 100_000


def land(job: FileJob) -> None:
    files = filesystem(bucket_url=job.path.parent.as_uri(), file_glob=job.path.name)
    match job.format:
        case "csv":
            rows = files | read_csv_duckdb(chunk_size=CHUNK_ROWS, use_pyarrow=True)
        case "ndjson":
            rows = files | read_jsonl(chunksize=10_000)
        case _:
            rows = files | read_parquet(chunksize=CHUNK_ROWS, use_pyarrow=True)
    rows = rows.with_name("rows")
    pipeline(job.out).run(rows, loader_file_format="parquet", write_disposition="replace")


if __name__ == "__main__":
    run(FileJob, land)
