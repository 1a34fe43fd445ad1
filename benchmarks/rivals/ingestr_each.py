"""ingestr, a process a table, two at once: it takes one table at a time.

The settings of `ingestr_program`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run, skip
from benchmarks.rivals.ingestr_program import PROGRAM, ingest

AT_ONCE = 2


def land(job: TablesJob) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda table: ingest(job.dsn, table, job.out), job.tables):
            pass


if __name__ == "__main__":
    if not PROGRAM.exists():
        skip("ingestr's wheel brings no program for this machine")
    run(TablesJob, land)
