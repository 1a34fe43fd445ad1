"""Days of an API: cut into steps, on the days of a clock change, and while the day is not over."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from tests.integration.http_server import Seen, answer, serve
from tests.unit.run.harness import NAME, load_text, opened, table_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CONFIG = """
[engine]
log_dir = ""
timezone = "{zone}"
[apis.shop]
base_url = "{url}"
proxy = "none"
[pipelines.team.orders]
load = "incremental"
primary_key = ["id"]
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.source.paginator]
type = "page"
[pipelines.team.orders.incremental]
cursor = "at"
window = "date"
start_param = "since"
end_param = "until"
{incremental}
"""


class Api:
    """Rows with an instant, and a clock of its own. Its ends are its own as told."""

    def __init__(self, rows: list[datetime]) -> None:
        self.rows = [{"id": at, "at": row.isoformat()} for at, row in enumerate(rows)]
        self.now: datetime | None = None
        self.takes_ends = False
        self.asked: list[tuple[str, str]] = []
        self.store = MemoryStore(SYSTEM_CLOCK)

    async def __call__(self, seen: Seen, _: object) -> bytes:
        since, until = seen.query["since"], seen.query["until"]
        low, high = datetime.fromisoformat(since), datetime.fromisoformat(until)
        page = int(seen.query.get("page", 1))
        if page == 1:
            self.asked.append((since, until))
        found = [
            row
            for row in self.rows
            if low < datetime.fromisoformat(str(row["at"])) < high
            or (self.takes_ends and datetime.fromisoformat(str(row["at"])) in (low, high))
        ]
        headers = {} if self.now is None else {"Date": format_datetime(self.now, usegmt=True)}
        return answer(found[5 * page - 5 : 5 * page], headers=headers)

    async def run(self, folder: Path, url: str, *days: date, **options: str) -> RunReport:
        config = load_text(CONFIG.format(url=url, **options), folder=folder)
        async with opened(config, None, store=self.store, clock=SYSTEM_CLOCK) as engine:
            for day in days:
                report = await engine.run(NAME, run_date=day)
        return report

    async def ids(self, *days: date) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for day in days:
            found.update(row["id"] for row in (await table_of(self.store, day)).to_pylist())
        return found


@pytest.mark.parametrize("takes_ends", [False, True])
@pytest.mark.parametrize("incremental", ["", 'step = "6h"', 'step = "5h"\nlookback = "2h"'])
async def test_days_of_a_clock_change_in_any_order_hold_each_row_once(
    tmp_path: Path, incremental: str, takes_ends: bool
) -> None:
    first = datetime(2025, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin
    api = Api([first + timedelta(hours=number) for number in range(24 + 25 + 24)])
    api.takes_ends = takes_ends
    days = [date(2025, 10, 25), date(2025, 10, 26), date(2025, 10, 27)]
    async with serve(api) as server:
        for day in (days[1], days[0], days[2], days[0]):
            report = await api.run(
                tmp_path, server.url, day, zone="Europe/Berlin", incremental=incremental
            )
    window = report.watermark
    assert window is not None
    assert (window.low, window.high) == ("2025-10-24T22:00:00Z", "2025-10-25T22:00:00Z")
    late = 2 if "lookback" in incremental else 0
    counts = {day: sum((await api.ids(day)).values()) for day in days}
    assert counts == {days[0]: 24, days[1]: 25 + late, days[2]: 24 + late}
    assert set(await api.ids(*days)) == set(range(24 + 25 + 24))


@pytest.mark.parametrize("incremental", ["", 'step = "3h"'])
async def test_a_day_that_is_not_over_by_the_clock_of_the_api_is_gone_on_with(
    tmp_path: Path, incremental: str
) -> None:
    day = date(2025, 1, 15)
    first = datetime(2025, 1, 15, tzinfo=UTC)
    api = Api([first + timedelta(hours=number) for number in range(24)])
    options = {"zone": "UTC", "incremental": f'{incremental}\nlag = "30m"'}
    async with serve(api) as server:
        api.now = first + timedelta(hours=10, minutes=15)
        report = await api.run(tmp_path, server.url, day, **options)
        assert report.rows == 10  # that of ten o'clock is within the lag
        assert report.watermark is not None
        assert report.watermark.high == "2025-01-15T09:44:59.999999Z"
        assert not report.watermark.high_open
        api.now = first + timedelta(hours=24, minutes=30)
        report = await api.run(tmp_path, server.url, day, **options)
    assert report.rows == 24
    assert report.watermark is not None
    assert (report.watermark.high, report.watermark.high_open) == ("2025-01-16T00:00:00Z", True)


async def test_today_is_asked_in_steps_as_far_as_it_has_come(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    api = Api([])
    async with serve(api) as server:
        report = await api.run(tmp_path, server.url, today, zone="UTC", incremental='step = "1h"')
    assert report.watermark is not None
    assert not report.watermark.high_open or report.watermark.high == report.watermark.low
    assert all(datetime.fromisoformat(until) <= datetime.now(UTC) for _, until in api.asked)
