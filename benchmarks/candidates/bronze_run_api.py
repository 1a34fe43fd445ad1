"""Ours, as the command `bronze run`, over an API: start-up, checks and display count."""

from __future__ import annotations

from benchmarks.candidates.api import write_pipelines
from benchmarks.candidates.bronze_run import PROGRAM
from benchmarks.jobs.api import ApiJob
from benchmarks.jobs.job import run, run_program


def land(job: ApiJob) -> None:
    path = write_pipelines(job)
    run_program([PROGRAM, "run", "bench.orders", f"--config={path}"])


if __name__ == "__main__":
    run(ApiJob, land)
