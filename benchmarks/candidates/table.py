"""Ours, through the public API and a pipelines.toml as a user writes it.

The variant is the number of partitions; without one everything stands at its default.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.table_job import TableJob, run
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type

PIPELINES = """
[engine]
target = "./bronze"

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
    text = PIPELINES.format(dsn=job.dsn, table=job.table)
    if job.variant:
        text += f"partitions = {job.variant}\n"
    path = job.out / "pipelines.toml"
    path.write_text(text)
    return path


async def land(job: TableJob) -> dict[str, Any]:
    async with open_engine(load_config(write_pipelines(job))) as engine:
        report = await engine.run(f"bench.{job.table}", run_date=datetime.now(UTC).date())
    return {"rows": report.rows}


if __name__ == "__main__":
    source_type("postgres", {})  # imported before the clock starts, as the rivals' clients are
    run(lambda job: asyncio.run(land(job)))
