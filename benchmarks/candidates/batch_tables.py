"""Ours: a pipeline a table, all as one batch at its defaults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from benchmarks.candidates.lake import lake
from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type
from bronze_engine.batch.batch import Batch

HEAD = """
[connections.bench]
type = "postgres"
dsn = "{dsn}"
"""

PIPELINE = """
[pipelines.bench.{table}.source]
type = "postgres"
connection = "bench"
table = "{table}"
"""


async def land(job: TablesJob) -> dict[str, Any]:
    path = job.out / "pipelines.toml"
    pipelines = [PIPELINE.format(table=table) for table in job.tables]
    path.write_text("".join([lake(None, job.out), HEAD.format(dsn=job.dsn), *pipelines]))
    today = datetime.now(UTC).date()
    async with open_engine(load_config(path)) as engine:
        batch = Batch(engine, [(f"bench.{table}", today) for table in job.tables])
        report = await batch.run()
    return {"committed": len(report.with_status("committed"))}


if __name__ == "__main__":
    source_type("postgres", {})  # imported before the clock starts, as the rivals' clients are
    run(TablesJob, lambda job: asyncio.run(land(job)))
