"""Ours, as the command `bronze batch`, over the streams: start-up, checks and display count."""

from __future__ import annotations

from benchmarks.candidates.batch_apis import write_pipelines
from benchmarks.candidates.bronze_run import PROGRAM
from benchmarks.jobs.batch import ApisJob
from benchmarks.jobs.job import run, run_program


def land(job: ApisJob) -> None:
    run_program([PROGRAM, "batch", f"--config={write_pipelines(job)}"])


if __name__ == "__main__":
    run(ApisJob, land)
