"""Days of a table, landed in any order and again: together they are what the table holds."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.batch.backfill import Backfill
from bronze_engine.errors import ExtractError
from tests.integration.databases.by_cursor import landing, session
from tests.integration.databases.landing import NAME, Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

FIRST = date(2025, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(31)]
DATED = 'cursor = "at"\nwindow = "date"'


async def union(pipeline: Landing, days: list[date] = DAYS) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for day in days:
        rows = zip(
            await pipeline.column("id", day), await pipeline.column("note", day), strict=True
        )
        found.update(rows)
    return found


def table(database: Database) -> Counter[tuple[Any, ...]]:
    return Counter(
        (int(str(number)), note) for number, note in database.execute("SELECT id, note FROM t")
    )


async def test_a_month_landed_broken_and_run_again_in_any_order_is_the_table(
    fresh: Database, tmp_path: Path
) -> None:
    """Every hour and every midnight to the microsecond, over a change of the clocks in Berlin."""
    fresh.execute(
        "INSERT INTO t (at, note) SELECT at, 'first' FROM generate_series("
        "'2025-02-28 23:00+00'::timestamptz, '2025-03-31 21:59+00', '1 hour') AS at;"
        "INSERT INTO t (at, note) SELECT at - '1 us'::interval, 'before' FROM generate_series("
        "'2025-03-01 23:00+00'::timestamptz, '2025-03-31 21:00+00', '1 day') AS at",
    )
    pipeline = landing(tmp_path, fresh, DATED)
    pipeline = with_timezone(pipeline, tmp_path, "Europe/Berlin")
    order = DAYS[:]
    random.Random(6).shuffle(order)
    for number, day in enumerate(order):
        if number == 10:
            fresh.execute("ALTER TABLE t RENAME TO gone")
            with pytest.raises(ExtractError):
                await pipeline.run(day)
            fresh.execute("ALTER TABLE gone RENAME TO t")
        await pipeline.run(day)
    assert await union(pipeline) == table(fresh)

    # Rows that come late, go, and move to another day; each day that changed is run again.
    fresh.execute(
        "INSERT INTO t (at, note) VALUES ('2025-03-05 10:00+00', 'late');"
        "UPDATE t SET at = '2025-03-20 12:00+00', note = 'moved' WHERE id = 60;"
        "DELETE FROM t WHERE id = 100",
    )
    async with pipeline.engine() as engine:
        again = await Backfill(engine, NAME, first=DAYS[0], last=DAYS[-1]).run()
        assert len(again.with_status("skipped")) == 31
        report = await Backfill(engine, NAME, first=DAYS[0], last=DAYS[-1], force=True).run()
    assert len(report.with_status("committed")) == 31
    assert await union(pipeline) == table(fresh)
    window = (await pipeline.manifest(date(2025, 3, 30))).watermark
    assert window is not None  # a day of 23 hours
    assert (window.low, window.high) == ("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z")
    assert (window.low_open, window.high_open) == (False, True)
    assert (await pipeline.manifest(date(2025, 3, 30))).row_count == 23


def with_timezone(pipeline: Landing, folder: Path, zone: str) -> Landing:
    path = folder / "pipelines.toml"
    text = path.read_text().replace("[engine]\n", f'[engine]\ntimezone = "{zone}"\n')
    path.write_text(text)
    return pipeline.reloaded(path)


async def test_what_is_still_open_today_is_left_and_told_and_read_by_a_re_run(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, DATED)
    today = datetime.now(UTC).date()
    async with session(fresh) as other:
        begun = other.transaction()
        await begun.start()
        await other.execute("INSERT INTO t (note) VALUES ('open')")
        fresh.execute("INSERT INTO t (note) VALUES ('newer')")
        report = await pipeline.run(today)
        assert report.rows == 0  # both lie above what is settled
        await begun.commit()
    window = report.watermark
    assert window is not None and window.high is not None  # noqa: PT018  # for mypy
    assert not window.high_open
    ((open_at,),) = fresh.execute("SELECT at FROM t WHERE note = 'open'")
    assert datetime.fromisoformat(window.high) < datetime.fromisoformat(str(open_at))
    async with pipeline.engine() as engine:
        again = await Backfill(engine, NAME, first=today, last=today).run()
    assert [each.status for each in again.dates] == ["committed"]  # the day is not over
    assert sorted(await pipeline.column("note", today)) == ["newer", "open"]


async def test_dates_and_naive_timestamps_have_days_too(fresh: Database, tmp_path: Path) -> None:
    fresh.execute(
        "ALTER TABLE t ADD day date, ADD wall timestamp;"
        "INSERT INTO t (day, wall, note)"
        " SELECT wall::date, wall, 'x' FROM generate_series("
        "'2025-03-01 00:00'::timestamp, '2025-03-31 23:30', '30 min') AS wall",
    )
    by_date = landing(
        tmp_path / "date", fresh, 'cursor = "day"\ncursor_type = "date"\nwindow = "date"'
    )
    naive = landing(
        tmp_path / "naive",
        fresh,
        'cursor = "wall"\ncursor_timezone = "Europe/Berlin"\nwindow = "date"',
    )
    naive = with_timezone(naive, tmp_path / "naive", "Europe/Berlin")
    for pipeline in (by_date, naive):
        for day in (DAYS[3], DAYS[29], DAYS[4]):
            await pipeline.run(day)
            walls = await pipeline.column("wall", day)
            assert {wall.date() for wall in walls} == {day}
            assert len(walls) == 48
            window = (await pipeline.manifest(day)).watermark
            assert window is not None
            assert window.high_open

    today = datetime.now(UTC).date()
    fresh.execute(f"INSERT INTO t (day, wall) VALUES ('{today}', '{today}')")  # noqa: S608
    report = await by_date.run(today)
    assert report.rows == 1  # as it stands
    assert report.watermark is not None
    assert (report.watermark.high, report.watermark.high_open) == (today.isoformat(), False)


async def test_late_rows_land_with_the_date_that_saw_them_and_are_counted(
    fresh: Database, tmp_path: Path
) -> None:
    fresh.execute("INSERT INTO t (at, note) VALUES ('2025-03-04 12:00+00', 'on time')")
    pipeline = landing(tmp_path, fresh, f'{DATED}\nlookback = "2d"')
    await pipeline.run(date(2025, 3, 4))
    fresh.execute(
        "INSERT INTO t (at, note) VALUES ('2025-03-04 13:00+00', 'late'),"
        " ('2025-03-05 00:00+00', 'midnight'), ('2025-03-02 23:59:59.999999+00', 'too late')"
    )
    report = await pipeline.run(date(2025, 3, 5))
    assert sorted(await pipeline.column("note", date(2025, 3, 5))) == [
        "late",
        "midnight",
        "on time",
    ]
    assert report.late_rows == 2
    window = report.watermark
    assert window is not None
    assert (window.low, window.read_from) == ("2025-03-05T00:00:00Z", "2025-03-03T00:00:00+00:00")


@pytest.mark.parametrize("reading", ["snapshot", "keyset"])
async def test_a_chain_that_follows_dates_takes_the_row_at_their_seam_once(
    fresh: Database, tmp_path: Path, reading: str
) -> None:
    fresh.execute(
        "INSERT INTO t (at, note) SELECT at, 'dated' FROM generate_series("
        "'2025-03-01 00:00+00'::timestamptz, '2025-03-03 23:00+00', '1 hour') AS at"
    )
    source = f'reading = "{reading}"'
    days = [FIRST + timedelta(days=number) for number in range(6)]
    pipeline = landing(tmp_path, fresh, DATED, source=source)
    for day in days[:3]:
        await pipeline.run(day)
    store = pipeline.store
    pipeline = landing(tmp_path, fresh, 'cursor = "at"', source=source)
    pipeline.store = store
    assert (await pipeline.run(days[3])).rows == 0
    fresh.execute(
        "INSERT INTO t (at, note) VALUES ('2025-03-04 00:00+00', 'at the seam'),"
        " ('2025-03-04 10:00+00', 'behind it')"
    )
    await pipeline.run(days[4])
    fresh.execute("INSERT INTO t (at, note) VALUES ('2025-03-05 00:00+00', 'newer')")
    for number in (2, 3, 5, 4, 2, 0):
        await pipeline.run(days[number])
    assert await union(pipeline, days) == table(fresh)
