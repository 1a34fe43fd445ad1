"""A chain of dates over a source that grows: together its partitions hold each row once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.contracts import Request
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.telemetry.events import RunFinished
from bronze_engine.testing import ScriptedSource, Step, page
from tests.unit.run.harness import DAY, Bench

pytestmark = pytest.mark.unit

CHAIN = (
    "load=incremental",
    "incremental.cursor=updated_at",
    "incremental.start_param=since",
)
START = datetime(2025, 1, 15, tzinfo=UTC)


class Shop:
    """Rows with the instant of their writing, and the shop's own clock.

    It answers a `since` with what is at or after it, as most APIs do.
    """

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.bench = Bench(folder, *CHAIN, *overrides)
        self.now = START
        self.rows: list[dict[str, Any]] = []
        self.days = 0

    def insert(self, count: int = 1, *, zone_hours: int = 0) -> None:
        at = self.now + timedelta(hours=zone_hours)
        text = at.replace(tzinfo=None).isoformat(timespec="milliseconds")
        sign = "-" if zone_hours < 0 else "+"
        for _ in range(count):
            stamp = f"{text}{sign}{abs(zone_hours):02}:00" if zone_hours else f"{text}Z"
            self.rows.append({"id": len(self.rows), "updated_at": stamp, "at": str(self.now)})

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        since = request.read_from
        low = None if since is None else datetime.fromisoformat(since)
        found = [
            row
            for row in self.rows
            if low is None or datetime.fromisoformat(row["updated_at"]) >= low
        ]
        as_of = self.now.replace(microsecond=0)  # a Date header has whole seconds
        return [[page(1, *found, as_of=as_of)]]

    async def run(self, number: int | None = None, **options: Any) -> Manifest:
        """Run the next date, or one again."""
        if number is None:
            number, self.days = self.days, self.days + 1
        source = ScriptedSource(self.answer)
        return await self.bench.run(source, DAY + timedelta(days=number), **options)

    async def ids(self, *days: int) -> list[int]:
        """The ids of some dates, of all without one."""
        found: list[int] = []
        for number in days or range(self.days):
            table = await self.bench.table(DAY + timedelta(days=number))
            found += [row["id"] for row in table.to_pylist()]
        return found

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


@pytest.mark.asyncio
async def test_dates_in_order_and_the_middle_one_again_hold_each_row_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for count in (3, 2, 4):
        shop.insert(count)
        shop.later(60)
        await shop.run()
        shop.later(60)
    assert [await shop.ids(number) for number in range(3)] == [[0, 1, 2], [3, 4], [5, 6, 7, 8]]
    again = await shop.run(1)
    assert again.generation == 2
    assert await shop.ids() == list(range(9))
    assert again.watermark is not None
    assert (again.watermark.low, again.watermark.high) == (
        shop.rows[2]["updated_at"],
        shop.rows[4]["updated_at"],
    )


@pytest.mark.asyncio
async def test_a_row_at_the_low_watermark_does_not_come_twice(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.insert(2)
    shop.later(60)
    await shop.run()
    shop.insert()
    shop.later(60)
    manifest = await shop.run()
    assert await shop.ids() == [0, 1, 2]
    assert manifest.late_rows == 2  # received at the low, and dropped


@pytest.mark.asyncio
async def test_a_row_newer_than_the_servers_clock_less_the_lag_comes_next_time_once(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path, "incremental.lag=30s")
    shop.insert()
    shop.later(29)
    shop.insert()
    shop.later(2)
    await shop.run()
    assert await shop.ids(0) == [0]
    shop.later(60)
    await shop.run()
    assert await shop.ids() == [0, 1]
    told = [event.report for event in shop.bench.events if isinstance(event, RunFinished)]
    assert [(report.rows, report.later_rows) for report in told] == [(1, 1), (1, 0)]


@pytest.mark.asyncio
async def test_a_row_of_the_last_second_is_left_for_the_next_time_without_a_lag(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.insert()
    shop.later(0.5)
    await shop.run()
    assert await shop.ids() == []
    shop.later(2)
    await shop.run()
    assert await shop.ids() == [0]


@pytest.mark.asyncio
async def test_an_empty_window_keeps_high_at_low(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.insert()
    shop.later(60)
    first = await shop.run()
    second = await shop.run()
    assert first.watermark is not None
    assert second.watermark is not None
    assert second.row_count == 0
    assert second.watermark.low == second.watermark.high == first.watermark.high


@pytest.mark.asyncio
async def test_initial_bounds_the_very_first_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "incremental.initial=2025-01-15T00:00:30Z")
    for _ in range(3):  # below it, at it, above it
        shop.insert()
        shop.later(30)
    first = await shop.run()
    assert await shop.ids() == [1, 2]
    assert first.watermark is not None
    assert (first.watermark.low, first.watermark.low_open) == ("2025-01-15T00:00:30Z", False)
    await shop.run()
    await shop.run(0)
    assert await shop.ids() == [1, 2]


@pytest.mark.asyncio
async def test_a_full_refresh_begins_an_epoch_and_reads_everything(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for _ in range(2):
        shop.insert(2)
        shop.later(60)
        await shop.run()
    with pytest.raises(StateError, match="would leave"):
        await shop.run(0, full_refresh=True)
    refreshed = await shop.run(1, full_refresh=True)
    assert refreshed.epoch == 2
    assert await shop.ids(1) == [0, 1, 2, 3]
    shop.insert()
    shop.later(60)
    following = await shop.run()
    assert following.epoch == 2
    assert await shop.ids(2) == [4]


@pytest.mark.asyncio
async def test_each_full_load_begins_an_epoch(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    source = ScriptedSource([[page(1, {"id": 1})]])
    epochs = [(await bench.run(source, day(number))).epoch for number in (0, 1, 0)]
    assert epochs == [1, 2, 3]


class Turn(NamedTuple):
    """Rows are written, time passes, and a date is run: the next one, or one again."""

    rows: int
    zone_hours: int
    seconds: float
    again: int | None


turns = st.builds(
    Turn,
    st.integers(0, 3),
    st.sampled_from([0, 0, 2, -5]),
    st.sampled_from([0.001, 0.5, 1, 60]),
    st.one_of(st.none(), st.integers(0, 3)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(turns, min_size=2, max_size=8))
def test_whatever_is_inserted_and_run_again_the_union_is_the_source(steps: list[Turn]) -> None:
    asyncio.run(unite(steps))


async def unite(steps: list[Turn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for step in steps:
            shop.insert(step.rows, zone_hours=step.zone_hours)
            shop.later(step.seconds)
            if step.again is None or not shop.days:
                await shop.run()
            else:
                await again(shop, step.again % shop.days)
        shop.later(60)
        await shop.run()
        assert Counter(await shop.ids()) == Counter(range(len(shop.rows)))
        await windows_join(shop)


async def again(shop: Shop, number: int) -> None:
    """Run a date again; refused where a later one was read from the beginning."""
    following = [await shop.bench.manifest(day(n)) for n in range(number + 1, shop.days)]
    later = next((one for one in following if one is not None), None)
    if later is not None and later.watermark is not None and later.watermark.low is None:
        with pytest.raises(StateError, match="read from the beginning"):
            await shop.run(number)
    else:
        await shop.run(number)


async def windows_join(shop: Shop) -> None:
    """Each date begins where the one before it ended."""
    end = None
    for number in range(shop.days):
        manifest = await shop.bench.manifest(day(number))
        assert manifest is not None
        assert manifest.watermark is not None
        assert manifest.watermark.low == end
        end = manifest.watermark.high


@pytest.mark.asyncio
async def test_a_lookback_lands_what_appeared_below_the_watermark(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "incremental.lookback=1h", 'primary_key=["id"]')
    for _ in range(8):
        shop.insert()
        shop.later(30 * 60)
    first = await shop.run()
    assert (first.row_count, first.late_rows) == (8, 0)
    late = dict(shop.rows[-1])
    shop.insert()
    late |= {"id": 100, "updated_at": shop.rows[-3]["updated_at"]}
    shop.rows.append(late)
    shop.later(60)
    second = await shop.run()
    assert await shop.ids(1) == [6, 7, 8, 100]
    assert second.late_rows == 4  # and the one at read_from, which the shop gave again
    assert second.watermark is not None
    assert first.watermark is not None
    assert second.watermark.low == first.watermark.high
    assert second.watermark.read_from != second.watermark.low
