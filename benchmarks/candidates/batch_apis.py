"""Ours: a pipeline a stream, an API a server, all as one batch at its defaults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.candidates.lake import lake
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


def write_pipelines(job: ApisJob) -> Path:
    """The file that names the streams of a job."""
    apis = [
        API.format(number=number, url=url, token=job.token) for number, url in enumerate(job.urls)
    ]
    pipelines = [
        PIPELINE.format(name=name, number=job.urls.index(url), page_size=job.page_size)
        for name, url in job.streams()
    ]
    path = job.out / "pipelines.toml"
    path.write_text("\n".join([lake(None, job.out), *apis, *pipelines]))
    return path


async def land(job: ApisJob) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    async with open_engine(load_config(write_pipelines(job))) as engine:
        report = await Batch(engine, [(f"bench.{name}", today) for name, _ in job.streams()]).run()
    return {"committed": len(report.with_status("committed"))}


if __name__ == "__main__":
    source_type("http", {})  # imported before the clock starts, as the rivals' clients are
    run(ApisJob, lambda job: asyncio.run(land(job)))
