"""Ours: a pipeline a stream, an API a server, all as one batch at its defaults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from benchmarks.jobs.batch import ApisJob
from benchmarks.jobs.job import run
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type
from bronze_engine.batch.batch import Batch

API = """
[apis.api_{number}]
base_url = "{url}"

[apis.api_{number}.auth]
type = "bearer"
token = "{token}"
"""

PIPELINE = """
[pipelines.bench.{name}.source]
type = "http"
api = "api_{number}"
path = "/orders"
records = "data"

[pipelines.bench.{name}.source.paginator]
type = "page"
size_param = "page_size"
page_size = {page_size}
total_path = "total"
"""


async def land(job: ApisJob) -> dict[str, Any]:
    apis = [
        API.format(number=number, url=url, token=job.token) for number, url in enumerate(job.urls)
    ]
    pipelines = [
        PIPELINE.format(name=name, number=job.urls.index(url), page_size=job.page_size)
        for name, url in job.streams()
    ]
    path = job.out / "pipelines.toml"
    path.write_text("\n".join(['[engine]\ntarget = "./bronze"', *apis, *pipelines]))
    today = datetime.now(UTC).date()
    async with open_engine(load_config(path)) as engine:
        names = [f"bench.{name}" for name, _ in job.streams()]
        report = await Batch(engine, [(name, today) for name in names]).run()
    return {"committed": len(report.with_status("committed"))}


if __name__ == "__main__":
    source_type("http", {})  # imported before the clock starts, as the rivals' clients are
    run(ApisJob, lambda job: asyncio.run(land(job)))
