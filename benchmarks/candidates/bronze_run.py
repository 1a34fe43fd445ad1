"""Ours, as the command `bronze run`: start-up, checks and display count."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.candidates.table import write_pipelines
from benchmarks.jobs.job import run, run_program
from benchmarks.jobs.table import TableJob

PROGRAM = Path(sys.executable).with_name("bronze")


def land(job: TableJob) -> None:
    run_program([PROGRAM, "run", f"bench.{job.table}", f"--config={write_pipelines(job)}"])


if __name__ == "__main__":
    run(TableJob, land)
