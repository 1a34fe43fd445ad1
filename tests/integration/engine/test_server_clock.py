"""Which rows are for a later run is told by the server's clock, and by ours where it tells none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from tests.integration.http_server import Seen, answer, serve
from tests.unit.run.harness import DAY, NAME, load_text, opened

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.incremental]
cursor = "at"
start_param = "since"
"""
NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOURS = [NOW + timedelta(hours=hour) for hour in range(-3, 4)]


@pytest.mark.parametrize(
    ("date", "rows", "is_told"),
    [
        (None, 3, False),
        ("soon", 3, False),
        (NOW - timedelta(minutes=4), 3, False),
        (NOW - timedelta(minutes=90), 2, True),
        (NOW + timedelta(minutes=90), 5, False),
    ],
)
async def test_rows_newer_than_the_clock_are_for_later(
    tmp_path: Path, date: datetime | str | None, rows: int, is_told: bool
) -> None:
    text = format_datetime(date, usegmt=True) if isinstance(date, datetime) else date
    headers = {} if text is None else {"Date": text}

    async def handle(_seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer([{"at": at.isoformat()} for at in HOURS], headers=headers)

    clock = ManualClock(start=NOW)
    async with serve(handle) as server:
        config = load_text(CONFIG.format(url=server.url), folder=tmp_path)
        async with opened(config, None, store=MemoryStore(clock), clock=clock) as engine:
            report = await engine.run(NAME, run_date=DAY)
    assert (report.rows, report.later_rows) == (rows, len(HOURS) - rows)
    told = [each for each in report.warnings if "s behind ours" in each]
    assert len(told) == is_told
    assert all("is 5,400 s behind ours" in each for each in told)
