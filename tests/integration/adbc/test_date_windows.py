"""Days of a table in DuckDB, in any order and again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.integration.adbc.lake import INCREMENTAL, Lake, in_duckdb, in_sqlite, shown

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

KEYED = f'{INCREMENTAL}\nprimary_key = ["id"]'
DAYS = [date(2025, 1, 30) + timedelta(days=number) for number in range(4)]


def lake(folder: Path, kind: str, *options: str) -> Lake:
    more = "\n".join(
        ['[pipelines.team.orders.incremental]\ncursor = "at"\nwindow = "date"', *options, ""]
    )
    found = Lake(folder, "duckdb", 'table = "t"', pipeline=KEYED, more=more)
    in_duckdb(
        found.database,
        f'CREATE TABLE t AS SELECT row_number() OVER () AS id, moment::{kind} AS "at"'  # noqa: S608
        " FROM (SELECT unnest(generate_series(TIMESTAMP '2025-01-30', TIMESTAMP"
        " '2025-02-02 23:00', INTERVAL 1 HOUR)) AS moment"
        " UNION ALL SELECT TIMESTAMP '2025-01-31 23:59:59.999999')",
    )
    return found


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("TIMESTAMP", ['cursor_timezone = "UTC"']),
        ("TIMESTAMP_MS", ['cursor_timezone = "UTC"']),
        ("TIMESTAMP_S", ['cursor_timezone = "UTC"']),
        ("DATE", ['cursor_type = "date"']),
    ],
)
async def test_days_in_any_order_and_again_are_the_table(
    tmp_path: Path, kind: str, options: list[str]
) -> None:
    duck = lake(tmp_path, kind, *options)
    for day in (DAYS[2], DAYS[0], DAYS[3], DAYS[1]):
        await duck.run(day)
    in_duckdb(duck.database, "INSERT INTO t VALUES (1000, '2025-01-31 12:00')")
    for day in (DAYS[1], DAYS[3]):
        report = await duck.run(day)
        assert report.watermark is not None
        assert report.watermark.high_open
    rows = [(row["id"], day) for day in DAYS for row in duck.rows(day)]
    wanted = shown(duck.database, 'SELECT id, "at"::DATE FROM t')
    assert sorted(rows) == sorted(wanted)


async def test_today_is_read_as_far_as_its_rows_have_settled(tmp_path: Path) -> None:
    duck = lake(tmp_path, "TIMESTAMP", 'cursor_timezone = "UTC"', 'lag = "1h"')
    now = datetime.now(UTC).replace(tzinfo=None)
    in_duckdb(duck.database, "INSERT INTO t VALUES (?, ?)", row=(2000, now))
    report = await duck.run(now.date())
    assert report.rows == 0
    assert report.watermark is not None
    assert report.watermark.high is not None
    assert report.watermark.high <= (now - timedelta(minutes=59)).isoformat() or (
        report.watermark.high == report.watermark.low  # within the first hour of the day
    )


async def test_rows_of_the_lookback_count_as_late(tmp_path: Path) -> None:
    duck = lake(tmp_path, "TIMESTAMP", 'cursor_timezone = "UTC"', 'lookback = "3h"')
    report = await duck.run(DAYS[2])
    assert report.rows == 24 + 4
    assert report.late_rows == 4  # its own first row is not among them


async def test_a_database_without_days_says_so(tmp_path: Path) -> None:
    more = '[pipelines.team.orders.incremental]\ncursor = "at"\nwindow = "date"\n'
    lite = Lake(tmp_path, "sqlite", 'table = "t"', pipeline=KEYED, more=more)
    in_sqlite(lite.database, "CREATE TABLE t (id INTEGER, at TEXT)")
    with pytest.raises(ConfigError, match="has no type for days and times"):
        await lite.run()
