"""DuckDB's postgres extension and its httpfs, from the table straight into S3.

The settings of `duckdb_copy`; parts are cut as DuckDB cuts them.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_httpfs

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob
from benchmarks.rivals.duckdb_copy import attached, copy

EXTENSION = (
    Path(duckdb_extension_httpfs.__file__).parent
    / f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
)


def land(job: TableJob) -> None:
    assert job.store is not None, "this candidate writes to a store"
    url = urlsplit(job.store["endpoint_url"])
    with attached(job.dsn) as connection:
        connection.execute(f"LOAD '{EXTENSION}'")
        connection.execute(
            "CREATE SECRET lake (TYPE s3, URL_STYLE 'path',"
            f" KEY_ID '{job.store['access_key_id']}', SECRET '{job.store['secret_access_key']}',"
            f" REGION '{job.store['region']}', ENDPOINT '{url.netloc}',"
            f" USE_SSL {str(url.scheme == 'https').lower()})"
        )
        copy(connection, job.table, f"{job.store['url']}/{job.out.name}/table.parquet")


if __name__ == "__main__":
    run(TableJob, land)
