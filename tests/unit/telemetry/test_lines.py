"""The `metric=` lines: one a run, samples of the rest."""

from __future__ import annotations

import logging

import pytest

from bronze_engine.telemetry.events import FileStaged, RequestRetried
from bronze_engine.telemetry.lines import MetricLines
from bronze_engine.testing.clock import ManualClock
from tests.unit.telemetry.reports import failed, finished, report_of

pytestmark = pytest.mark.unit


def test_each_run_has_one_line(caplog: pytest.LogCaptureFixture) -> None:
    lines = MetricLines(ManualClock())
    with caplog.at_level(logging.INFO):
        lines(finished(report_of()))
        lines(finished(failed(seconds=0.0)))
        lines(finished(report_of(layer="silver")))
    assert caplog.messages == [
        (
            "metric=run pipeline=team.orders run_date=2025-01-15 status=committed rows=10 "
            "seconds=2.00 rows_per_second=5 bytes_in=1000 bytes_out=400 requests=3 retries=1"
        ),
        (
            "metric=run pipeline=team.orders run_date=2025-01-15 status=failed code=AUTH001 rows=0 "
            "seconds=0.00 rows_per_second=0 bytes_in=1000 bytes_out=400 requests=3 retries=1"
        ),
        (
            "metric=run pipeline=team.orders layer=silver run_date=2025-01-15 status=committed "
            "rows=10 seconds=2.00 rows_per_second=5 bytes_in=1000 bytes_out=400 requests=3 "
            "retries=1"
        ),
    ]


@pytest.mark.asyncio
async def test_retries_and_uploads_have_a_line_in_ten_seconds_that_counts_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    lines = MetricLines(clock)
    retry = RequestRetried(group="shop", attempt=1, wait_seconds=0.5, reason="status 503")
    file = FileStaged(pipeline="team.orders", run="r", name="part", rows=1, size_bytes=100)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            lines(retry)
            lines(file)
        await clock.advance(10)
        lines(retry)
        lines(file)
    assert caplog.messages == [
        'metric=retry group="shop" retries=1 wait_seconds=0.50',
        "metric=upload files=1 bytes=100",
        'metric=retry group="shop" retries=3 wait_seconds=1.50',
        "metric=upload files=3 bytes=300",
    ]
