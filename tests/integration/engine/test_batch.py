"""A batch over real servers, two of which are in trouble: the others don't notice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.batch.batch import Batch
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.telemetry.events import Event, RunFinished

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[3]
APIS = 10
PIPELINES = 8
DAY = date(2025, 1, 15)


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """APIs that answer; then one that hangs, and one that fails for ever."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers.many_apis", str(APIS), "hang", "fail"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def configured(folder: Path, ports: list[int], engine: str = "") -> tuple[Path, list[str]]:
    text = f'[engine]\nlog_dir = ""\ntarget = "{folder}/lake"\n{engine}'
    names = []
    for number, port in enumerate(ports):
        text += f'[apis.api{number}]\nbase_url = "http://127.0.0.1:{port}"\n'
        for at in range(PIPELINES):
            name = f"{'good' if number < APIS else 'bad'}{number}.p{at}"
            text += f'[pipelines.{name}.source]\ntype = "http"\napi = "api{number}"\npath = "/"\n'
            names.append(name)
    path = folder / "pipelines.toml"
    path.write_text(text)
    return path, names


@pytest.mark.timeout(120)
@pytest.mark.parametrize("memory", ["512MiB", "180MiB"])
@pytest.mark.asyncio
async def test_apis_in_trouble_keep_the_others_from_nothing(
    tmp_path: Path, ports: list[int], memory: str
) -> None:
    """Those in trouble are asked first, and more of them than there are places; the first of
    them to end needs half a minute."""
    path, names = configured(tmp_path, ports, f'memory_limit = "{memory}"\nmax_pipelines = 4\n')
    names.reverse()
    good = {name for name in names if name.startswith("good")}
    ended: set[str] = set()
    done = asyncio.Event()

    def watch(event: Event) -> None:
        if isinstance(event, RunFinished):
            ended.add(event.pipeline)
            if ended >= good:
                done.set()

    async with open_engine(load_config(path, environ={}), hooks=[watch]) as engine:
        batch = Batch(engine, [(name, DAY) for name in names])
        task = asyncio.create_task(batch.run())
        with suppress(TimeoutError):
            async with SYSTEM_CLOCK.timeout(60.0):
                await done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        statistics = engine.statistics()
        assert (statistics.running, statistics.reserved_bytes, statistics.pooled_bytes) == (0, 0, 0)
    report = batch.report()
    assert {run.pipeline for run in report.with_status("committed")} == good
    assert sum(run.rows for run in report.runs) == 100 * len(good)
    hanging = [run for run in report.runs if run.pipeline.startswith(f"bad{APIS}.")]
    assert {run.status for run in hanging} == {"left"}


@pytest.mark.asyncio
async def test_runs_asked_for_at_once_are_bounded_by_max_pipelines(
    tmp_path: Path, ports: list[int]
) -> None:
    path, names = configured(tmp_path, ports[:APIS], "max_pipelines = 3\n")
    most = 0

    def watch(_event: Event) -> None:
        nonlocal most
        most = max(most, engine.statistics().running)

    async with open_engine(load_config(path, environ={}), hooks=[watch]) as engine:
        reports = await asyncio.gather(*(engine.run(name, run_date=DAY) for name in names))
    assert {report.status for report in reports} == {"committed"}
    assert most == 3
