"""A range of dates: what is run, what is skipped, what goes on after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine.batch.backfill import Backfill
from bronze_engine.contracts import Request
from bronze_engine.errors import BronzeError, ConfigError, ExtractError, PageError
from bronze_engine.model.backfill import BackfillReport
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import BackfillStarted, Event
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import NAME, config_of, manifest_of, opened, table_of

pytestmark = pytest.mark.unit

FIRST = date(2025, 1, 1)
LAST = date(2025, 1, 31)
DATED = (
    "load=incremental",
    "incremental.cursor=at",
    "incremental.window=date",
    "incremental.start_param=since",
    "incremental.end_param=until",
)
CHAIN = ("load=incremental", "incremental.cursor=at")
NAMED = ('source.params={day="{run_date}"}',)


class Shop:
    """Four rows a day, at midnight among them; dates that fail as they are told to."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.clock = ManualClock(start=datetime(2025, 2, 2, tzinfo=UTC))
        self.store = MemoryStore(self.clock)
        self.folder = folder
        self.overrides = overrides
        self.faults: dict[date, Exception] = {}
        self.pause = 0.0
        self.asked: list[date] = []
        self.events: list[Event] = []
        self.at_once = 0
        self._running = 0
        self.rows = [
            {
                "id": number,
                "at": f"{FIRST + timedelta(days=number // 4)}T{number % 4 * 6:02}:00:00Z",
            }
            for number in range(4 * 35)
        ]

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        self.asked.append(request.run_date)
        fault = self.faults.get(request.run_date)
        steps: list[Step] = [Pause(self.pause)]
        return [[*steps, page(1, *self.rows) if fault is None else fault]]

    async def backfill(
        self, first: date = FIRST, last: date = LAST, **options: Any
    ) -> BackfillReport:
        config = config_of(*self.overrides, folder=self.folder)
        async with opened(
            config,
            ScriptedSource(self.answer),
            store=self.store,
            clock=self.clock,
            hooks=[self.events.append],
        ) as engine:
            dates = Backfill(engine, NAME, first=first, last=last, **options)
            return await self.clock.drive(dates.run())

    async def ids(self, first: date = FIRST, last: date = LAST) -> list[int]:
        found: list[int] = []
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            if await manifest_of(self.store, day) is not None:
                found += [int(row["id"]) for row in (await table_of(self.store, day)).to_pylist()]
        return found


def statuses(report: BackfillReport) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in report.dates:
        found[each.status] = found.get(each.status, 0) + 1
    return found


@pytest.mark.asyncio
async def test_a_month_of_date_windows_holds_each_row_on_its_day(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    report = await shop.backfill()
    assert statuses(report) == {"committed": 31}
    assert report.exit_code == 0
    assert {each.rows for each in report.dates} == {4}
    assert await shop.ids() == list(range(4 * 31))
    assert report.parallel == 4


@pytest.mark.asyncio
async def test_what_is_committed_is_skipped_until_the_configuration_changes(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    await shop.backfill(last=date(2025, 1, 10))
    shop.asked.clear()
    shop.events.clear()
    report = await shop.backfill(last=date(2025, 1, 12))
    assert statuses(report) == {"skipped": 10, "committed": 2}
    assert [each.rows for each in report.dates] == [4] * 12
    todo = (date(2025, 1, 11), date(2025, 1, 12))
    assert tuple(sorted(shop.asked)) == todo
    assert shop.events[0] == BackfillStarted(pipeline=NAME, run_dates=todo)

    assert statuses(await shop.backfill(last=date(2025, 1, 3), force=True)) == {"committed": 3}
    shop.overrides = (*DATED, "source.path=/orders/v2")
    assert statuses(await shop.backfill(last=date(2025, 1, 12))) == {"committed": 12}
    assert await shop.ids(last=date(2025, 1, 12)) == list(range(4 * 12))


@pytest.mark.asyncio
async def test_a_failure_keeps_no_other_date_from_being_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    shop.faults = {
        date(2025, 1, 3): ExtractError("broken off"),
        date(2025, 1, 7): PageError("it lies"),
    }
    report = await shop.backfill(last=date(2025, 1, 9))
    assert statuses(report) == {"committed": 7, "failed": 2}
    failed = {str(each.run_date): each.error_code for each in report.with_status("failed")}
    assert failed == {"2025-01-03": "EXT001", "2025-01-07": "PAGE001"}
    assert report.exit_code == 1
    shop.faults.clear()
    again = await shop.backfill(last=date(2025, 1, 9))
    assert statuses(again) == {"skipped": 7, "committed": 2}
    assert await shop.ids(last=date(2025, 1, 9)) == list(range(4 * 9))


@pytest.mark.parametrize(
    ("faults", "exit_code"),
    [
        ([ExtractError("x"), ExtractError("y")], 4),
        ([ExtractError("x"), PageError("y")], 1),
        ([ExtractError("x"), None], 1),
        ([None, None], 0),
    ],
)
@pytest.mark.asyncio
async def test_the_exit_code_is_the_failures_own_where_all_failed_alike(
    tmp_path: Path, faults: list[BronzeError | None], exit_code: int
) -> None:
    shop = Shop(tmp_path, *DATED)
    shop.faults = {
        FIRST + timedelta(days=number): fault for number, fault in enumerate(faults) if fault
    }
    assert (await shop.backfill(last=date(2025, 1, 2))).exit_code == exit_code


@pytest.mark.asyncio
async def test_a_chain_is_run_in_order_and_warns_where_its_history_lies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(tmp_path, *CHAIN)
    shop.faults = {date(2025, 1, 1): ExtractError("broken off")}
    shop.pause = 1.0
    report = await shop.backfill(last=date(2025, 1, 4), parallel=3)
    assert shop.asked == [date(2025, 1, day) for day in range(1, 5)]
    assert (statuses(report), report.parallel) == ({"failed": 1, "committed": 3}, 1)
    assert [each.rows for each in report.dates] == [None, len(shop.rows), 0, 0]
    assert "only the first of its dates will hold history" in report.warnings[0]
    assert "one is run at a time" in report.warnings[1]
    assert report.warnings[0] in caplog.text


@pytest.mark.asyncio
async def test_dates_that_name_themselves_are_independent(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *NAMED)
    shop.pause = 1.0
    report = await shop.backfill(last=date(2025, 1, 6), parallel=6)
    assert statuses(report) == {"committed": 6}
    assert report.warnings == ()
    assert all(each.report is not None and not each.report.warnings for each in report.dates)
    assert shop.clock.monotonic() < 6  # side by side
    assert statuses(await shop.backfill(last=date(2025, 1, 6))) == {"skipped": 6}


@pytest.mark.asyncio
async def test_a_day_that_was_not_over_is_run_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    today = date(2025, 2, 2)
    report = await shop.backfill(first=date(2025, 2, 1), last=today)
    assert statuses(report) == {"committed": 2}
    again = await shop.backfill(first=date(2025, 2, 1), last=today)
    assert [each.status for each in again.dates] == ["skipped", "committed"]
    await shop.clock.advance(86400 + 3600)
    last = await shop.backfill(first=date(2025, 2, 1), last=today)
    assert [each.status for each in last.dates] == ["skipped", "committed"]
    done = await shop.backfill(first=date(2025, 2, 1), last=today)
    assert statuses(done) == {"skipped": 2}


@pytest.mark.asyncio
async def test_a_full_refresh_replaces_what_is_there_as_one_epoch(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    await shop.backfill(last=date(2025, 1, 5))
    report = await shop.backfill(first=date(2025, 1, 2), last=date(2025, 1, 5), full_refresh=True)
    assert statuses(report) == {"committed": 4}
    epochs = []
    for day in range(1, 6):
        manifest = await manifest_of(shop.store, date(2025, 1, day))
        assert manifest is not None
        epochs.append(manifest.epoch)
    assert epochs == [1, 2, 2, 2, 2]


@pytest.mark.asyncio
async def test_what_a_full_refresh_has_left_is_not_taken_for_done(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    await shop.backfill(last=date(2025, 1, 5))
    shop.faults = {date(2025, 1, 2): ExtractError("the API is down")}
    report = await shop.backfill(last=date(2025, 1, 5), full_refresh=True)
    assert statuses(report) == {"committed": 4, "failed": 1}
    shop.faults.clear()
    assert statuses(await shop.backfill(last=date(2025, 1, 4))) == {"skipped": 3, "committed": 1}
    manifests = [await manifest_of(shop.store, date(2025, 1, day)) for day in range(1, 6)]
    assert [each.epoch for each in manifests if each is not None] == [2] * 5


@pytest.mark.asyncio
async def test_a_full_refresh_that_can_not_begin_runs_nothing_else(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    await shop.backfill(last=date(2025, 1, 5))
    report = await shop.backfill(last=date(2025, 1, 3), full_refresh=True)
    assert [each.status for each in report.dates] == ["left", "left", "failed"]
    assert report.exit_code == 7


@pytest.mark.asyncio
async def test_cancelled_it_tells_what_is_committed_and_what_is_left(tmp_path: Path) -> None:
    shop = Shop(tmp_path, *DATED)
    shop.pause = 10.0
    config = config_of(*shop.overrides, folder=tmp_path)
    async with opened(
        config, ScriptedSource(shop.answer), store=shop.store, clock=shop.clock
    ) as engine:
        dates = Backfill(engine, NAME, first=FIRST, last=LAST, parallel=2)

        async def until_cancelled() -> None:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(dates.run)
                    await shop.clock.sleep(25)
                    scope.cancel()

        await shop.clock.drive(until_cancelled())
        report = dates.report()
    assert statuses(report) == {"committed": 4, "left": 27}
    assert [each.status for each in report.dates[:5]] == ["committed"] * 4 + ["left"]
    shop.pause = 0.0
    assert statuses(await shop.backfill()) == {"skipped": 4, "committed": 27}
    assert await shop.ids() == list(range(4 * 31))


@pytest.mark.parametrize(
    ("overrides", "first", "last", "options", "message"),
    [
        ((), FIRST, LAST, {}, "would land today's data under every date"),
        (DATED, LAST, FIRST, {}, "there is no date"),
        (DATED, FIRST, date(2025, 2, 3), {}, "2025-02-03 is after today, 2025-02-02"),
        (DATED, FIRST, LAST, {"parallel": 0}, "parallel is 0"),
    ],
)
@pytest.mark.asyncio
async def test_what_no_backfill_can_do_is_refused_before_anything_is_asked(
    tmp_path: Path,
    overrides: tuple[str, ...],
    first: date,
    last: date,
    options: dict[str, Any],
    message: str,
) -> None:
    shop = Shop(tmp_path, *overrides)
    with pytest.raises(ConfigError) as raised:
        await shop.backfill(first, last, **options)
    assert message in raised.value.message
    assert shop.asked == []
