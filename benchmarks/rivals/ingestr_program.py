"""ingestr, the program that its wheel carries, into a Parquet file.

It compresses by Snappy, and has no setting for it. Start-up counts, as for every program.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.table_job import TableJob, run, run_program, skip

PROGRAM = Path(sys.executable).with_name("ingestr")


def land(job: TableJob) -> None:
    run_program(
        [
            PROGRAM, "ingest", "--yes", "--progress=log",
            f"--source-uri={job.dsn}?sslmode=disable", f"--source-table=public.{job.table}",
            f"--dest-uri=parquet://{job.out}/table.parquet", f"--dest-table={job.table}",
        ],
        {"INGESTR_DISABLE_TELEMETRY": "true", "DISABLE_TELEMETRY": "true"},
    )  # fmt: skip


if __name__ == "__main__":
    if not PROGRAM.exists():
        skip("ingestr's wheel brings no program for this machine")
    run(land)
