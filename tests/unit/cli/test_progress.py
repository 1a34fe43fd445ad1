"""A long run says where it is, and not too often; of many one line says how the whole stands."""

from __future__ import annotations

import logging
import re
from datetime import date
from pathlib import Path

import pytest

from bronze_engine.cli.display.progress import MOST_RUNS, Progress
from bronze_engine.telemetry.events import (
    BackfillStarted,
    BatchStarted,
    PageFetched,
    RowsWritten,
    RunPhase,
    RunStarted,
)
from bronze_engine.testing import ManualClock
from tests.unit.cli.told import DAY, finished

pytestmark = pytest.mark.unit

GUIDE = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")


def page(run: str, total: int | None = None) -> PageFetched:
    return PageFetched(
        pipeline="team.orders", run=run, page=1, records=1000, bytes_in=1, total_records=total
    )


def start(progress: Progress, run: str, pipeline: str = "team.orders", day: str = DAY) -> None:
    progress(RunStarted(pipeline=pipeline, run_date=day, run=run))
    progress(RunPhase(pipeline=pipeline, run=run, phase="reading"))


async def wait(clock: ManualClock, progress: Progress, seconds: int) -> None:
    """Let time pass as `Progress.show` does."""
    for _ in range(seconds):
        await clock.drive(clock.sleep(1))
        progress.tick()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bronze_engine")


@pytest.mark.asyncio
async def test_one_line_in_ten_seconds_a_run(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    start(progress, "a")
    start(progress, "b", "team.items")
    for _ in range(25):
        for _ in range(4):
            progress(page("a", total=5_000_000))
        await wait(clock, progress, 1)
    progress(RowsWritten(pipeline="team.orders", run="a", rows=70_000))
    assert messages(caplog) == [
        "team.orders: 40 pages, 40,000 records of 5,000,000 read, 0 rows written",
        "team.items: 0 rows written",
        "team.orders: 80 pages, 80,000 records of 5,000,000 read, 0 rows written",
        "team.items: 0 rows written",
    ]


@pytest.mark.asyncio
async def test_a_run_that_hears_nothing_is_told_of_too(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    start(progress, "a")
    progress(page("a"))
    await wait(clock, progress, 20)
    assert messages(caplog) == 2 * ["team.orders: 1 pages, 1,000 records read, 0 rows written"]


@pytest.mark.asyncio
async def test_a_database_has_rows_and_no_pages(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    start(progress, "a")
    progress(RowsWritten(pipeline="team.orders", run="a", rows=70_000))
    await wait(clock, progress, 10)
    assert messages(caplog) == ["team.orders: 70,000 rows written"]


def test_waiting_for_memory_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(ManualClock())
    progress(RunStarted(pipeline="team.orders", run_date=DAY, run="a"))
    progress(RunPhase(pipeline="team.orders", run="a", phase="waiting for memory"))
    assert messages(caplog) == ["team.orders: waiting for memory (engine.memory_limit)"]


@pytest.mark.asyncio
async def test_of_a_thousand_short_runs_only_the_batch_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    names = [f"team.p{number}" for number in range(1000)]
    runs = tuple((name, date.fromisoformat(DAY)) for name in names)
    progress(BatchStarted(batch="b", runs=runs))
    for number, name in enumerate(names[:200]):
        start(progress, name, name)
        progress(RowsWritten(pipeline=name, run=name, rows=1_000))
        await wait(clock, progress, 1)
        if number % 100 == 3:
            progress(finished(name, status="failed", code="EXT001"))
        else:
            progress(finished(name, rows=1_000))
    assert len(messages(caplog)) == 20
    assert messages(caplog)[:2] == [
        "batch: 8 of 1,000 committed, 1 failed, 1 under way, 9,000 rows, 1,000 rows/s",
        "batch: 18 of 1,000 committed, 1 failed, 1 under way, 19,000 rows, 1,000 rows/s",
    ]


@pytest.mark.asyncio
async def test_of_many_long_runs_the_oldest_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    names = [f"team.p{number}" for number in range(50)]
    progress(BatchStarted(batch="b", runs=tuple((name, date.fromisoformat(DAY)) for name in names)))
    for name in names:
        start(progress, name, name)
        progress(RunPhase(pipeline=name, run=name, phase="waiting for memory"))
    await wait(clock, progress, 30)
    lines = messages(caplog)
    assert lines.count("team.p0: 0 rows written") == 3
    assert sum("rows written" in line for line in lines) == 3 * MOST_RUNS
    assert (
        lines.count(
            "batch: 0 of 50 committed, 50 under way (50 waiting for memory), 0 rows, 0 rows/s"
        )
        == 3
    )


@pytest.mark.asyncio
async def test_the_dates_of_a_backfill_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    days = (date(2025, 1, 1), date(2025, 1, 2))
    progress(BackfillStarted(pipeline="team.orders", run_dates=days))
    start(progress, "a", day="2025-01-01")
    await wait(clock, progress, 10)
    assert messages(caplog) == [
        "team.orders 2025-01-01: 0 rows written",
        "backfill: 0 of 2 committed, 1 under way, 0 rows, 0 rows/s",
    ]


@pytest.mark.asyncio
async def test_the_guide_shows_lines_like_these(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    progress = Progress(clock)
    day = date.fromisoformat(DAY)
    progress(BatchStarted(batch="b", runs=tuple((f"a.x{n}", day) for n in range(3))))
    for name in ("a.x0", "a.x1"):
        start(progress, name, name)
    progress(finished("a.x1", status="failed", code="EXT001"))
    progress(
        PageFetched(pipeline="a.x0", run="a.x0", page=1, records=9, bytes_in=1, total_records=10)
    )
    await wait(clock, progress, 10)
    shown = re.findall(r"^    2025-01-15 10:00:20.123 INFO (.*)$", GUIDE, re.MULTILINE)
    assert [_form(line) for line in shown] == [_form(line) for line in messages(caplog)]


def _form(line: str) -> str:
    """A line without its numbers and its pipeline."""
    return re.sub(r"\d[\d,]*", "9", re.sub(r"^\w+\.\w+:", "name:", line))
