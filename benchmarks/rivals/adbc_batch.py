"""A script of ADBC and pyarrow over many tables: four threads, a connection each.

What `adbc_stream` does, table by table. No retries, no atomic publication.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run
from benchmarks.rivals.adbc_stream import copy

AT_ONCE = 4


def land(job: TablesJob) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(
            lambda table: copy(job.dsn, table, f"{job.out}/{table}.parquet"), job.tables
        ):
            pass


if __name__ == "__main__":
    run(TablesJob, land)
