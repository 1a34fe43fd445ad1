"""Ours, through the public API and a pipelines.toml as a user writes it, at its defaults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.candidates.lag import Ticker
from benchmarks.candidates.lake import lake
from benchmarks.jobs.api import ApiJob
from benchmarks.jobs.job import run
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type, store_opener

PIPELINES = """
[apis.bench]
base_url = "{url}"
concurrency = {concurrency}

[apis.bench.auth]
type = "bearer"
token = "{token}"

[pipelines.bench.orders.source]
type = "http"
api = "bench"
path = "/orders"
records = "data"

[pipelines.bench.orders.source.paginator]
type = "page"
size_param = "page_size"
page_size = {page_size}
total_path = "total"
"""


def write_pipelines(job: ApiJob) -> Path:
    """The file that names the records of a job."""
    path = job.out / "pipelines.toml"
    text = PIPELINES.format(
        url=job.url,
        token=job.token,
        page_size=job.page_size,
        concurrency=job.in_flight or '"auto"',
    )
    path.write_text(lake(job.store, job.out) + text)
    return path


async def land(job: ApiJob) -> dict[str, Any]:
    path = write_pipelines(job)
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.tick())
    async with open_engine(load_config(path)) as engine:
        report = await engine.run("bench.orders", run_date=datetime.now(UTC).date())
    ticking.cancel()
    return {"lag_ms": ticker.statistics(), "rows": report.rows}


if __name__ == "__main__":
    source_type("http", {})  # imported before the clock starts, as the rivals' clients are
    store_opener("s3", {})
    run(ApiJob, lambda job: asyncio.run(land(job)))
