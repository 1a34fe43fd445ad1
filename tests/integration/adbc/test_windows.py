"""Runs by a cursor: each row once, whatever is run again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bronze_engine.errors import ConfigError, ExtractError, QualityError
from tests.integration.adbc.lake import DAY, INCREMENTAL, NEXT_DAY, Lake, in_duckdb, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

THIRD_DAY = NEXT_DAY + timedelta(days=1)
KEYED = f'{INCREMENTAL}\nprimary_key = ["id"]'


def cursor(name: str, *options: str) -> str:
    return "\n".join([f'[pipelines.team.orders.incremental]\ncursor = "{name}"', *options, ""])


INSERT = "INSERT INTO t VALUES (?, ?)"
INTEGER = 'cursor_type = "integer"'


def lite(folder: Path, *options: str, source: str = 'table = "t"', pipeline: str = KEYED) -> Lake:
    lake = Lake(folder, "sqlite", source, pipeline=pipeline, more=cursor("id", INTEGER, *options))
    in_sqlite(lake.database, "CREATE TABLE t (id INTEGER, name TEXT)")
    return lake


def insert(lake: Lake, *ids: int | None, name: str = "") -> None:
    rows = [(each, name) for each in ids]
    in_sqlite(lake.database, "INSERT INTO t VALUES (?, ?)", rows=rows)


def ids(lake: Lake, day: object = DAY) -> list[int]:
    assert day in (DAY, NEXT_DAY, THIRD_DAY)
    return [row["id"] for row in lake.rows(day)]  # type: ignore[arg-type]


async def test_each_date_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    lake = lite(tmp_path)
    insert(lake, 1, 2, 3)
    await lake.run()
    insert(lake, 4, 5)
    await lake.run(NEXT_DAY)
    assert (ids(lake), ids(lake, NEXT_DAY)) == ([1, 2, 3], [4, 5])
    window = lake.manifest(NEXT_DAY).watermark
    assert window is not None
    assert (window.low, window.high) == ("3", "5")


async def test_a_window_without_rows_keeps_the_watermark(tmp_path: Path) -> None:
    lake = lite(tmp_path)
    insert(lake, 1)
    await lake.run()
    assert (await lake.run(NEXT_DAY)).rows == 0
    window = lake.manifest(NEXT_DAY).watermark
    assert window is not None
    assert (window.low, window.high) == ("1", "1")


async def test_a_date_that_runs_again_ends_where_the_next_begins(tmp_path: Path) -> None:
    lake = lite(tmp_path)
    insert(lake, 1, 2)
    await lake.run()
    insert(lake, 3)
    await lake.run(NEXT_DAY)
    insert(lake, 2, 4, name="late")
    await lake.run()
    assert ids(lake) == [1, 2, 2]
    assert ids(lake, NEXT_DAY) == [3]
    await lake.run(THIRD_DAY)
    assert ids(lake, THIRD_DAY) == [4]


async def test_the_first_run_begins_with_the_configured_value(tmp_path: Path) -> None:
    lake = lite(tmp_path, 'initial = "2"')
    insert(lake, 1, 2, 3)
    report = await lake.run()
    assert (ids(lake), report.late_rows) == ([2, 3], 0)
    insert(lake, 4)
    await lake.run(NEXT_DAY)
    assert ids(lake, NEXT_DAY) == [4]


async def test_the_last_value_is_read_again_where_it_may_come_again(tmp_path: Path) -> None:
    lake = lite(tmp_path, "low_open = false")
    insert(lake, 1, 2)
    await lake.run()
    insert(lake, 2, 3, name="late")
    await lake.run(NEXT_DAY)
    assert ids(lake, NEXT_DAY) == [2, 2, 3]


async def test_a_lookback_reads_what_came_late_and_counts_it(tmp_path: Path) -> None:
    lake = lite(tmp_path, "lookback = 2")
    insert(lake, 1, 4, 5)
    await lake.run()
    insert(lake, 2, 3, 6, name="late")
    report = await lake.run(NEXT_DAY)
    assert sorted(ids(lake, NEXT_DAY)) == [4, 5, 6]
    insert(lake, 5, name="later")
    report = await lake.run(THIRD_DAY)
    assert sorted(ids(lake, THIRD_DAY)) == [5, 5, 6]
    assert report.late_rows == 3


async def test_rows_without_a_cursor_fail_the_run_or_are_kept_aside(tmp_path: Path) -> None:
    lake = lite(tmp_path)
    insert(lake, 1)
    await lake.run()
    insert(lake, None, name="lost")
    with pytest.raises(QualityError, match="the cursor 'id' is NULL in 1 of 1 rows"):
        await lake.run(NEXT_DAY)
    more = cursor("id", INTEGER, 'on_null_cursor = "quarantine"')
    lake.configure(
        'table = "t"', pipeline=KEYED, more=f"{more}[pipelines.team.orders.quality]\nmax_bad_rows=5"
    )
    insert(lake, 2)
    report = await lake.run(NEXT_DAY)
    assert (ids(lake, NEXT_DAY), report.rejected) == ([2], 1)


async def test_bounds_are_parameters_of_a_query(tmp_path: Path) -> None:
    query = "SELECT id, name FROM t WHERE id > {low} AND name != 'it''s'"
    lake = lite(tmp_path, 'initial = "1"', source=f'query = "{query}"')
    insert(lake, 1, 2, 3)
    await lake.run()
    insert(lake, 4)
    await lake.run(NEXT_DAY)
    assert (ids(lake), ids(lake, NEXT_DAY)) == ([2, 3], [4])


async def test_a_bound_that_this_run_does_not_have_is_cfg001(tmp_path: Path) -> None:
    lake = lite(tmp_path, source='query = "SELECT id, name FROM t WHERE id > {low}"')
    with pytest.raises(ConfigError, match=r"\{low\} has no value in this run"):
        await lake.run()


async def test_texts_are_a_cursor_in_the_databases_own_order(tmp_path: Path) -> None:
    more = cursor("at", 'cursor_type = "text"', 'initial = "2025-01-01 00:00:00"')
    lake = Lake(tmp_path, "sqlite", 'table = "t"', pipeline=INCREMENTAL, more=more)
    in_sqlite(
        lake.database,
        "CREATE TABLE t (id INTEGER, at TEXT)",
        "INSERT INTO t VALUES (?, ?)",
        rows=[(1, "2024-12-31 23:59:59"), (2, "2025-01-01 00:00:01"), (3, "2025-01-02")],
    )
    await lake.run()
    assert ids(lake) == [2, 3]
    in_sqlite(lake.database, "INSERT INTO t VALUES (4, '2025-01-02 00:00:00')")
    await lake.run(NEXT_DAY)
    assert ids(lake, NEXT_DAY) == [4]


async def test_a_cursor_of_another_type_says_which(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"', pipeline=INCREMENTAL, more=cursor("at"))
    in_sqlite(lake.database, "CREATE TABLE t (at TEXT)", "INSERT INTO t VALUES ('2025-01-01')")
    with pytest.raises(
        ConfigError, match=r'SQLite .* has no type for days .* = "text" or "integer"'
    ):
        await lake.run()
    lake.configure(
        'table = "t"', pipeline=INCREMENTAL, more=cursor("at", 'cursor_type = "integer"')
    )
    with pytest.raises(
        ConfigError, match=r'comes as string, .* set incremental\.cursor_type = "te'
    ):
        await lake.run()


async def test_a_cursor_that_is_not_there_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"', pipeline=INCREMENTAL, more=cursor("update_at"))
    in_sqlite(lake.database, "CREATE TABLE t (updated_at TEXT)")
    with pytest.raises(ExtractError, match=r"names 'update_at', .* did you mean 'updated_at'"):
        await lake.run()


def duck(folder: Path, kind: str, *options: str) -> Lake:
    lake = Lake(
        folder, "duckdb", 'table = "t"', pipeline=INCREMENTAL, more=cursor("moment", *options)
    )
    in_duckdb(lake.database, f"CREATE TABLE t (id integer, moment {kind})")
    return lake


@pytest.mark.parametrize(
    ("kind", "options", "values", "watermark"),
    [
        (
            "timestamptz",
            (),
            ("2025-01-15 10:00:00.000001+02", "2025-01-15 10:00:00.000002+02"),
            "2025-01-15T08:00:00.000001+00:00",
        ),
        (
            "timestamp",
            ('cursor_timezone = "Europe/Berlin"',),
            ("2025-01-15 10:00:00.000001", "2025-01-15 10:00:00.000002"),
            "2025-01-15T10:00:00.000001",
        ),
        (
            "timestamp_ns",
            ('cursor_timezone = "UTC"',),
            ("2025-01-15 10:00:00.000000001", "2025-01-15 10:00:00.000000002"),
            "2025-01-15T10:00:00.000000001",
        ),
        (
            "timestamp_s",
            ('cursor_timezone = "UTC"',),
            ("2025-01-15 10:00:00", "2025-01-15 10:00:01"),
            "2025-01-15T10:00:00",
        ),
        ("date", ('cursor_type = "date"',), ("2025-01-15", "2025-01-16"), "2025-01-15"),
        ("bigint", (INTEGER,), ("9223372036854775806", "9223372036854775807"), str(2**63 - 2)),
        ("decimal(38,0)", (INTEGER,), (str(10**37), str(10**37 + 1)), str(10**37)),
        ("ubigint", (INTEGER,), (str(2**64 - 2), str(2**64 - 1)), str(2**64 - 2)),
        ("varchar", ('cursor_type = "text"',), ("a'\"b", "a'\"c"), "a'\"b"),
    ],
)
async def test_neighbouring_values_are_told_apart(
    tmp_path: Path, kind: str, options: tuple[str, ...], values: tuple[str, str], watermark: str
) -> None:
    lake = duck(tmp_path, kind, *options)
    in_duckdb(lake.database, INSERT, row=(1, values[0]))
    await lake.run()
    window = lake.manifest().watermark
    assert window is not None
    assert window.high == watermark
    in_duckdb(lake.database, INSERT, row=(2, values[1]))
    await lake.run(NEXT_DAY)
    assert (ids(lake), ids(lake, NEXT_DAY)) == ([1], [2])
    await lake.run(THIRD_DAY)
    assert lake.manifest(THIRD_DAY).row_count == 0


async def test_rows_newer_than_the_lag_wait_for_the_next_run(tmp_path: Path) -> None:
    lake = duck(tmp_path, "timestamptz", 'lag = "1h"')
    now = datetime.now(UTC)
    for number, age in enumerate((timedelta(hours=2), timedelta(minutes=30), timedelta(hours=-1))):
        in_duckdb(lake.database, INSERT, row=(number, (now - age).isoformat()))
    await lake.run()
    assert ids(lake) == [0]
    lake.configure('table = "t"', pipeline=INCREMENTAL, more=cursor("moment"))
    await lake.run(NEXT_DAY)
    assert ids(lake, NEXT_DAY) == [1]


async def test_rows_of_a_day_that_is_not_over_wait_for_the_next_run(tmp_path: Path) -> None:
    lake = duck(tmp_path, "date", 'cursor_type = "date"')
    today = datetime.now(UTC).date()
    for number, age in enumerate((3, 0, -1)):
        in_duckdb(lake.database, INSERT, row=(number, (today - timedelta(days=age)).isoformat()))
    await lake.run()
    assert ids(lake) == [0]
    window = lake.manifest().watermark
    assert window is not None
    assert window.high == (today - timedelta(days=3)).isoformat()
    await lake.run(NEXT_DAY)
    assert lake.manifest(NEXT_DAY).row_count == 0


async def test_days_of_a_zone_are_over_by_its_clock(tmp_path: Path) -> None:
    zone = "Pacific/Kiritimati"  # UTC+14, where the day before UTC's is over at any hour
    lake = duck(tmp_path, "date", 'cursor_type = "date"', f'cursor_timezone = "{zone}"')
    yesterday = datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)
    in_duckdb(lake.database, INSERT, row=(1, yesterday.isoformat()))
    in_duckdb(lake.database, INSERT, row=(2, (yesterday + timedelta(days=2)).isoformat()))
    await lake.run()
    assert ids(lake) == [1]


async def test_a_timestamp_without_a_zone_needs_one(tmp_path: Path) -> None:
    lake = duck(tmp_path, "timestamp")
    with pytest.raises(ConfigError, match=r"has no zone; set incremental\.cursor_timezone"):
        await lake.run()


async def test_an_infinite_cursor_is_no_watermark(tmp_path: Path) -> None:
    lake = duck(tmp_path, "date", 'cursor_type = "date"')
    in_duckdb(lake.database, "INSERT INTO t VALUES (1, 'infinity')")
    with pytest.raises(ExtractError, match="its highest value is infinite"):
        await lake.run()


async def test_both_bounds_may_stand_in_a_query(tmp_path: Path) -> None:
    query = "SELECT * FROM t WHERE moment > {low} AND moment <= {high}"
    more = cursor("moment", 'initial = "2025-01-01"')
    lake = duck(tmp_path, "timestamptz")
    lake.configure(f'query = "{query}"', pipeline=INCREMENTAL, more=more)
    in_duckdb(lake.database, "INSERT INTO t VALUES (1, '2024-12-31'), (2, '2025-01-02')")
    await lake.run()
    assert ids(lake) == [2]
