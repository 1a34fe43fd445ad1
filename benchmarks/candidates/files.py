"""Ours, through the public API and a pipelines.toml as a user writes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.jobs.file import COLUMNS, FIELDS, FileJob
from benchmarks.jobs.job import run
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type

PIPELINES = """
[engine]
target = "./bronze"

[pipelines.bench.rows.source]
type = "files"
url = "{path}"
format = "{format}"
"""
NUMBERS = ', pad = "0"', ', scale = 2, sign = "trailing"'


def write_pipelines(job: FileJob) -> Path:
    """The file that names the rows of a job."""
    text = PIPELINES.format(path=job.path, format=job.format)
    if job.format == "fixed":
        extra = {"id": NUMBERS[0], "amount": NUMBERS[1]}
        fields = "".join(
            f'  {{ name = "{name}", width = {width}{extra.get(name, "")} }},\n'
            for name, width in FIELDS.items()
        )
        text += f"\n[pipelines.bench.rows.source.fixed]\nfields = [\n{fields}]\n"
    if job.format != "parquet":
        typed = "".join(f'{name} = "{kind}"\n' for name, kind in COLUMNS.items())
        text += f"\n[pipelines.bench.rows.schema.columns]\n{typed}"
    path = job.out / "pipelines.toml"
    path.write_text(text)
    return path


async def land(job: FileJob) -> dict[str, Any]:
    async with open_engine(load_config(write_pipelines(job))) as engine:
        report = await engine.run("bench.rows", run_date=datetime.now(UTC).date())
    return {"rows": report.rows}


if __name__ == "__main__":
    source_type("files", {})  # imported before the clock starts, as the rivals' readers are
    run(FileJob, lambda job: asyncio.run(land(job)))
