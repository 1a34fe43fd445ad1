"""Ours, through the public API and a pipelines.toml as a user writes it, at its defaults."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from typing import Any

from benchmarks.job import Job, run
from benchmarks.lag import Ticker
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type, store_opener

PIPELINES = """
[engine]
target = "{target}"

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

STORE = """
[stores.lake]
type = "s3"
"""


async def land(job: Job) -> dict[str, Any]:
    path = job.out / "pipelines.toml"
    text = PIPELINES.format(
        target="lake" if job.store else "./bronze",
        url=job.url,
        token=job.token,
        page_size=job.page_size,
        concurrency=job.in_flight or '"auto"',
    )
    if job.store:
        text += STORE + "".join(f'{key} = "{value}"\n' for key, value in job.store.items())
    path.write_text(text)
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.tick())
    async with open_engine(load_config(path)) as engine:
        report = await engine.run("bench.orders", run_date=date(2025, 1, 15))
    ticking.cancel()
    return {"lag_ms": ticker.statistics(), "rows": report.rows}


if __name__ == "__main__":
    source_type("http", {})  # imported before the clock starts, as the rivals' clients are
    if any(argument.startswith("--store") for argument in sys.argv):
        store_opener("s3", {})
    run(lambda job: asyncio.run(land(job)))
