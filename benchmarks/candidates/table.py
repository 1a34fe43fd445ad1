"""Ours, through the public API and a pipelines.toml as a user writes it.

At its defaults, but for the number of partitions where the job has one.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.candidates.lake import lake
from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type, store_opener

PIPELINES = """
[connections.bench]
type = "postgres"
dsn = "{dsn}"

[pipelines.bench.{table}.source]
type = "postgres"
connection = "bench"
table = "{table}"
"""


def write_pipelines(job: TableJob) -> Path:
    """The file that names the table of a job."""
    text = lake(job.store, job.out) + PIPELINES.format(dsn=job.dsn, table=job.table)
    if job.partitions:
        text += f"partitions = {job.partitions}\n"
    path = job.out / "pipelines.toml"
    path.write_text(text)
    return path


async def land(job: TableJob) -> dict[str, Any]:
    async with open_engine(load_config(write_pipelines(job))) as engine:
        report = await engine.run(f"bench.{job.table}", run_date=datetime.now(UTC).date())
    return {"rows": report.rows}


if __name__ == "__main__":
    source_type("postgres", {})  # imported before the clock starts, as the rivals' clients are
    store_opener("s3", {})
    run(TableJob, lambda job: asyncio.run(land(job)))
