"""The Prometheus file: shared by processes, replaced whole, never in the way of a run."""

from __future__ import annotations

import fcntl
import logging
import multiprocessing
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bronze_engine.contracts import Hook
from bronze_engine.monitoring.queue import hook_of, open_queue
from bronze_engine.monitoring.textfile import INTERVAL_SECONDS, Textfile, write_runs
from bronze_engine.telemetry.prometheus.runs import Ended
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers
from tests.unit.telemetry.reports import finished, report_of
from tests.unit.telemetry.strict_exposition import read

pytestmark = pytest.mark.unit

AT = datetime(2025, 1, 15, tzinfo=UTC)


@asynccontextmanager
async def open_textfile(path: Path, clock: ManualClock) -> AsyncIterator[Hook]:
    with Workers(1) as workers:
        file = Textfile(path, clock, workers)
        async with open_queue(
            file.take, name="the file", clock=clock, interval_seconds=INTERVAL_SECONDS
        ) as queue:
            yield hook_of(file, queue)


def rows_of(path: Path) -> dict[str, float]:
    return {
        dict(labels)["pipeline"]: value
        for (name, labels), value in read(path.read_text()).items()
        if name == "bronze_rows_total"
    }


def test_the_file_may_be_read_by_others_and_nothing_else_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "bronze.prom"
    before = os.umask(0o077)
    try:
        assert write_runs(path, [Ended(report=report_of(), at=AT)])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert {each.name for each in tmp_path.iterdir()} == {"bronze.prom", ".bronze.prom.lock"}


def write_often(path: Path, pipeline: str) -> None:
    for _ in range(10):
        while not write_runs(path, [Ended(report=report_of(pipeline, rows=1), at=AT)]):
            pass


def test_processes_that_write_at_once_lose_no_series_and_no_count(tmp_path: Path) -> None:
    path = tmp_path / "bronze.prom"
    spawn = multiprocessing.get_context("spawn")
    writers = [
        spawn.Process(target=write_often, args=(path, pipeline))
        for pipeline in ("team.a", "team.b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert rows_of(path) == {"team.a": 10, "team.b": 10}


def test_a_file_that_holds_no_metrics_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "bronze.prom"
    path.write_bytes(b"\xff\x00 what is this")
    assert write_runs(path, [Ended(report=report_of(), at=AT)])
    assert rows_of(path) == {"team.orders": 10}
    assert "it is begun anew" in caplog.text


@pytest.mark.asyncio
async def test_runs_are_written_at_once_then_together_and_all_on_leaving(tmp_path: Path) -> None:
    path = tmp_path / "bronze.prom"
    clock = ManualClock()
    async with open_textfile(path, clock) as hook:
        hook(finished(report_of("team.a")))
        await clock.settle()
        assert rows_of(path) == {"team.a": 10}
        for _ in range(3):
            hook(finished(report_of("team.b")))
        await clock.advance(4)
        assert rows_of(path) == {"team.a": 10}
        await clock.advance(1)
        assert rows_of(path) == {"team.a": 10, "team.b": 30}
        hook(finished(report_of("team.c")))
    assert rows_of(path) == {"team.a": 10, "team.b": 30, "team.c": 10}


@pytest.mark.asyncio
async def test_a_lock_that_is_held_is_waited_for_and_no_worker_with_it(tmp_path: Path) -> None:
    path = tmp_path / "bronze.prom"
    clock = ManualClock()
    held = (tmp_path / ".bronze.prom.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    async with open_textfile(path, clock) as hook:
        hook(finished(report_of()))
        await clock.advance(0.5)
        assert not path.exists()
        held.close()
        await clock.advance(0.05)
        assert rows_of(path) == {"team.orders": 10}


@pytest.mark.asyncio
async def test_a_folder_that_is_not_there_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "none/bronze.prom"
    with caplog.at_level(logging.WARNING):
        async with open_textfile(path, ManualClock()) as hook:
            hook(finished(report_of()))
    assert f"{path} can't be written (No such file or directory)" in caplog.text
