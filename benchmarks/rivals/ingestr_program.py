"""ingestr, the program that its wheel carries, into a Parquet file.

It compresses by Snappy, and has no setting for it. Start-up counts, as for every program.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.jobs.job import run, run_program, skip
from benchmarks.jobs.table import TableJob

PROGRAM = Path(sys.executable).with_name("ingestr")


def ingest(dsn: str, table: str, out: Path) -> None:
    run_program(
        [
            PROGRAM, "ingest", "--yes", "--progress=log",
            f"--source-uri={dsn}?sslmode=disable", f"--source-table=public.{table}",
            f"--dest-uri=parquet://{out}/{table}.parquet", f"--dest-table={table}",
        ],
        {"INGESTR_DISABLE_TELEMETRY": "true", "DISABLE_TELEMETRY": "true"},
    )  # fmt: skip


if __name__ == "__main__":
    if not PROGRAM.exists():
        skip("ingestr's wheel brings no program for this machine")
    run(TableJob, lambda job: ingest(job.dsn, job.table, job.out))
