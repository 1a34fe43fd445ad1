"""A long run says where it is, and not too often."""

from __future__ import annotations

import logging

import pytest

from bronze_engine.cli.progress import Progress
from bronze_engine.telemetry.events import PageFetched, RowsWritten, RunPhase
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit


def page(run: str, total: int | None = None) -> PageFetched:
    return PageFetched(
        pipeline="team.orders", run=run, page=1, records=1000, bytes_in=1, total_records=total
    )


@pytest.mark.asyncio
async def test_one_line_in_ten_seconds_a_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bronze_engine")
    clock = ManualClock()
    progress = Progress(clock)
    for run in ("a", "b"):
        progress(RunPhase(pipeline="team.orders", run=run, phase="reading"))
    for _ in range(100):
        progress(page("a", total=5_000_000))
        await clock.drive(clock.sleep(0.25))
    progress(RowsWritten(pipeline="team.orders", run="a", rows=70_000))
    progress(page("b"))
    assert [record.getMessage() for record in caplog.records] == [
        "team.orders: 41 pages, 41,000 records of 5,000,000 read, 0 rows written",
        "team.orders: 81 pages, 81,000 records of 5,000,000 read, 0 rows written",
        "team.orders: 1 pages, 1,000 records read, 0 rows written",
    ]


@pytest.mark.asyncio
async def test_a_database_has_rows_and_no_pages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bronze_engine")
    clock = ManualClock()
    progress = Progress(clock)
    progress(RunPhase(pipeline="team.orders", run="a", phase="reading"))
    await clock.drive(clock.sleep(11))
    progress(RowsWritten(pipeline="team.orders", run="a", rows=70_000))
    assert [record.getMessage() for record in caplog.records] == [
        "team.orders: 70,000 rows written"
    ]


def test_waiting_for_memory_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bronze_engine")
    progress = Progress(ManualClock())
    progress(RunPhase(pipeline="team.orders", run="a", phase="waiting for memory"))
    assert [record.getMessage() for record in caplog.records] == [
        "team.orders: waiting for memory (engine.memory_limit)"
    ]
