"""Ours, through the public API and a pipelines.toml as a user writes it: Bronze has landed.

At its defaults: Bronze's files are hashed before they are read, and the table's are hashed,
listed and committed.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path

from benchmarks.jobs.merge import KEY, ORDER, MergeJob, run_merge, start_from
from bronze_engine import load_config, open_engine
from bronze_engine.adapters import source_type

__all__: list[str] = []

PIPELINES = """
[engine]
target = "./lake"

[pipelines.bench.rows]
load = "{load}"
primary_key = ["{key}"]

[pipelines.bench.rows.source]
type = "files"
url = "{folder}/*.parquet"
name_pattern = '(?P<day>\\d{{4}}-\\d\\d-\\d\\d)'
format = "parquet"

[pipelines.bench.rows.silver]
order_by = ["{order}"]
history = "{history}"
deletes = "{deletes}"

[pipelines.bench.rows.silver.output]
encoding = "{encoding}"
"""
BY_DAY = """
[pipelines.bench.rows.incremental]
cursor = "day"
cursor_type = "date"
window = "date"
"""
NAME = "bench.rows"


def prepare(job: MergeJob) -> None:
    """Bronze of all days; of a delta also the table that they make, and then Bronze of it."""
    asyncio.run(_prepare(job))


async def _prepare(job: MergeJob) -> None:
    days = _lake(job, "days")
    if not days.exists():
        with _whole(days) as lake:
            await _land(job, lake, job.days)
    table = _lake(job, job.delta)
    if job.delta and not table.exists():
        with _whole(table) as lake:
            start_from(days, lake)
            await _curate(job, lake)
            await _land(job, lake, [job.changes])


@contextmanager
def _whole(lake: Path) -> Iterator[Path]:
    """Where to make a lake, which is at its place only once it is made."""
    partial = lake.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    yield partial
    partial.rename(lake)


def begin(job: MergeJob) -> None:
    start_from(_lake(job, job.delta or "days"), job.out)


def merge(job: MergeJob) -> None:
    asyncio.run(_curate(job, job.out))


def _lake(job: MergeJob, holds: str) -> Path:
    kind = "" if holds == "days" else f"{job.history}-{job.encoding}-"
    return job.path / f"ours-{kind}{job.load}-{holds}"


async def _land(job: MergeJob, lake: Path, files: Sequence[Path]) -> None:
    config = load_config(_pipelines(job, lake, files[0].parent))
    async with open_engine(config) as engine:
        for file in files:
            await engine.run(NAME, run_date=date.fromisoformat(file.stem))


async def _curate(job: MergeJob, lake: Path) -> None:
    async with open_engine(load_config(_pipelines(job, lake, job.changes.parent))) as engine:
        await engine.silver(NAME)


def _pipelines(job: MergeJob, lake: Path, folder: Path) -> Path:
    """The file that names what has landed."""
    text = PIPELINES.format(
        load=job.load,
        key=KEY,
        folder=folder,
        order=ORDER,
        history=job.history,
        deletes="hard" if job.load == "full" else "ignore",
        encoding=job.encoding,
    )
    lake.mkdir(exist_ok=True)
    path = lake / "pipelines.toml"
    path.write_text(text if job.load == "full" else text + BY_DAY)
    return path


if __name__ == "__main__":
    source_type("files", {})  # imported before the clock starts, as the rivals' libraries are
    import_module("bronze_engine.silver.steps")
    run_merge(merge, prepare, begin)
