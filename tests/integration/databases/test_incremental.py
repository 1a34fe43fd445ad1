"""Incremental runs over real servers: every kind of cursor, and rows that come late."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bronze_engine.errors import ConfigError, ExtractError, QualityError
from bronze_engine.sources.postgres import source
from bronze_engine.sources.postgres.pool import Claim
from bronze_engine.sources.postgres.snapshot import Settings, Snapshot, open_snapshot
from tests.integration.databases.by_cursor import landing, session
from tests.integration.databases.landing import DAY, Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

NEXT = DAY + timedelta(days=1)
THIRD = DAY + timedelta(days=2)


async def test_each_date_begins_where_the_one_before_ended(fresh: Database, tmp_path: Path) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "at"')
    for day, ids in ((DAY, [1, 2]), (NEXT, [3]), (THIRD, [])):
        for number in ids:
            fresh.execute(f"INSERT INTO t (note) VALUES ('{number}')")  # noqa: S608
        await pipeline.run(day)
        assert await pipeline.column("id", day) == ids
        ((last,),) = fresh.execute(
            """SELECT to_char(max(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')"""
            " FROM t"
        )
        window = (await pipeline.manifest(day)).watermark
        assert window is not None
        assert window.high == last
        if not ids:
            assert window.low == window.high  # an empty window stays where it is


@pytest.mark.parametrize("reading", ["snapshot", "keyset"])
async def test_a_window_without_a_row_tells_its_columns(
    fresh: Database, tmp_path: Path, reading: str
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "at"', f'reading = "{reading}"')
    report = await pipeline.run(DAY)
    manifest = await pipeline.manifest(DAY)
    assert (report.rows, manifest.files) == (0, ())
    assert [column.name for column in manifest.schema][:3] == ["id", "at", "note"]
    fresh.execute("ALTER TABLE t ADD came int")
    await pipeline.run(NEXT)
    assert "came" in {column.name for column in (await pipeline.manifest(NEXT)).schema}


async def test_a_row_that_is_committed_late_is_not_lost(fresh: Database, tmp_path: Path) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "at"')
    fresh.execute("INSERT INTO t (note) VALUES ('early')")
    async with session(fresh) as other:
        begun = other.transaction()
        await begun.start()
        await other.execute("INSERT INTO t (note) VALUES ('late')")
        fresh.execute("INSERT INTO t (note) VALUES ('newer')")
        await pipeline.run(DAY)
        assert await pipeline.column("note", DAY) == ["early"]
        ((highest,),) = fresh.execute("SELECT max(at) FROM t")
        await begun.commit()
    # Who takes the highest value that is there for the watermark loses the row:
    assert fresh.execute(f"SELECT note FROM t WHERE at > '{highest}'") == []  # noqa: S608
    below = f"SELECT note FROM t WHERE at < '{highest}' ORDER BY at"  # noqa: S608
    assert fresh.execute(below) == [("early",), ("late",)]
    await pipeline.run(NEXT)
    assert sorted(await pipeline.column("note", NEXT)) == ["late", "newer"]


async def test_a_prepared_transaction_holds_the_window_back(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "at"')
    fresh.execute("INSERT INTO t (at, note) VALUES (now() - interval '2 hours', 'old')")
    fresh.execute(
        "BEGIN; INSERT INTO t (note) VALUES ('prepared'); PREPARE TRANSACTION 'two-phase'"
    )
    fresh.execute("INSERT INTO t (note) VALUES ('newer')")
    try:
        report = await pipeline.run(DAY)
    finally:
        fresh.execute("COMMIT PREPARED 'two-phase'")
    assert await pipeline.column("note", DAY) == ["old"]
    assert any("two-phase" in warning for warning in report.warnings)
    await pipeline.run(NEXT)
    assert sorted(await pipeline.column("note", NEXT)) == ["newer", "prepared"]


async def test_our_own_readers_hold_nobody_back(fresh: Database, tmp_path: Path) -> None:
    fresh.execute("INSERT INTO t (note) VALUES ('early')")
    pipeline = landing(tmp_path, fresh, 'cursor = "at"')
    async with (
        pipeline.engine() as engine,
        engine.batches("team.orders", run_date=DAY) as stream,  # with a snapshot while it is open
    ):
        async for _ in stream:
            fresh.execute("INSERT INTO t (note) VALUES ('newer')")
            await pipeline.run(DAY)
    assert await pipeline.column("note", DAY) == ["early", "newer"]


_INTEGER = 'cursor_type = "integer"'


@pytest.mark.parametrize("value", ["0.5", "'NaN'"])
async def test_a_number_that_no_run_could_go_on_from_is_told_at_once(
    value: str, database: Database, tmp_path: Path
) -> None:
    database.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, c numeric)")
    database.execute(f"INSERT INTO t VALUES (1, {value})")  # noqa: S608
    pipeline = landing(tmp_path, database, f'cursor = "c"\n{_INTEGER}')
    with pytest.raises(ExtractError, match="which is no watermark") as caught:
        await pipeline.run(DAY)
    assert "source.where" in str(caught.value)


@pytest.mark.parametrize(
    ("definition", "values", "cursor", "highs"),
    [
        (
            "timestamp",
            ["2024-03-01 00:00:00.000001", "2024-03-01 00:00:00.000002"],
            'cursor_timezone = "Europe/Berlin"',
            ["2024-03-01T00:00:00.000001", "2024-03-01T00:00:00.000002"],
        ),
        ("date", ["2024-03-01", "2024-03-02"], 'cursor_type = "date"', None),
        ("int", ["-5", "2147483647"], 'cursor_type = "integer"', None),
        (
            "numeric",
            ["99999999999999999999999999", "100000000000000000000000000"],
            'cursor_type = "integer"',
            None,
        ),
        ("numeric(20,4)", ["-7.0000", "0.0000", "120.0000"], _INTEGER, ["-7", "0", "120"]),
        ("text", ["B", "a", "é", "\U0001f600"], 'cursor_type = "text"', None),
        ("varchar(9)", ["it's", "it\\\\s"], 'cursor_type = "text"', None),
        (
            "uuid",
            ["018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"],
            'cursor_type = "text"',
            None,
        ),
    ],
)
async def test_every_kind_of_cursor_goes_on_exactly(
    definition: str,
    values: list[str],
    cursor: str,
    highs: list[str] | None,
    database: Database,
    tmp_path: Path,
) -> None:
    database.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (id int, c {definition} NOT NULL)")
    pipeline = landing(tmp_path, database, f'cursor = "c"\n{cursor}')
    values = [value.replace("\\\\", "\\") for value in values]
    for number, value in enumerate(values):
        quoted = value.replace("'", "''")
        database.execute(f"INSERT INTO t VALUES ({number}, '{quoted}')")  # noqa: S608
        day = DAY + timedelta(days=number)
        report = await pipeline.run(day)
        assert await pipeline.column("id", day) == [number]
        assert report.watermark is not None
        assert report.watermark.high == (highs or values)[number]
    await pipeline.run(THIRD + timedelta(days=9))
    assert await pipeline.column("id", THIRD + timedelta(days=9)) == []


async def test_days_of_a_zone_are_over_by_its_clock(database: Database, tmp_path: Path) -> None:
    zone = "Pacific/Kiritimati"  # UTC+14, where the day before UTC's is over at any hour
    database.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, c date)")
    for number, age in ((1, 1), (2, -1)):
        day = f"(now() AT TIME ZONE '{zone}')::date - {age}"
        database.execute(f"INSERT INTO t VALUES ({number}, {day})")  # noqa: S608
    pipeline = landing(
        tmp_path, database, f'cursor = "c"\ncursor_type = "date"\ncursor_timezone = "{zone}"'
    )
    await pipeline.run(DAY)
    assert await pipeline.column("id", DAY) == [1]


@pytest.mark.parametrize("column", ["x", "xmin"])
async def test_a_transaction_number_takes_each_change_once(
    column: str, database: Database, tmp_path: Path
) -> None:
    database.execute(
        "DROP TABLE IF EXISTS t;"
        " CREATE TABLE t (id int PRIMARY KEY, x xid8 NOT NULL DEFAULT pg_current_xact_id());"
        " INSERT INTO t VALUES (1)"
    )
    pipeline = landing(tmp_path, database, f'cursor = "{column}"\ncursor_type = "xid8"')
    async with session(database) as other:
        begun = other.transaction()
        await begun.start()
        await other.execute("INSERT INTO t VALUES (2)")
        database.execute("INSERT INTO t VALUES (3)")
        await pipeline.run(DAY)
        assert await pipeline.column("id", DAY) == [1]
        await begun.commit()
    database.execute("UPDATE t SET x = DEFAULT WHERE id = 1")
    await pipeline.run(NEXT)
    assert sorted(await pipeline.column("id", NEXT)) == [1, 2, 3]
    database.execute("INSERT INTO t VALUES (4)")
    await pipeline.run(THIRD)
    assert await pipeline.column("id", THIRD) == [4]


async def test_a_check_says_that_sessions_are_hidden(fresh: Database, tmp_path: Path) -> None:
    server = fresh.server
    server.execute("DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN PASSWORD 'r'")
    fresh.execute("GRANT SELECT ON t TO looker")
    dsn = f"postgresql://looker:r@127.0.0.1:{server.port}/{fresh.name}"
    pipeline = landing(tmp_path, fresh, 'cursor = "at"', dsn=dsn)
    async with session(fresh), pipeline.engine() as engine:
        findings = await engine.check("team.orders", run_date=DAY)
    told = next(finding for finding in findings if finding.subject == "source")
    assert not told.ok
    assert "GRANT pg_read_all_stats TO" in told.detail


async def test_what_commits_just_before_the_snapshot_is_in_it(
    fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reading of the server before the snapshot is older than that."""
    insert = "INSERT INTO t (note) VALUES ('early')"

    @asynccontextmanager
    async def overtaken(claim: Claim, settings: Settings) -> AsyncIterator[Snapshot]:
        fresh.execute(insert)
        async with open_snapshot(claim, settings) as snapshot:
            yield snapshot

    monkeypatch.setattr(source, "open_snapshot", overtaken)
    for name, cursor in {
        "xmin": 'cursor = "xmin"\ncursor_type = "xid8"',
        "at": 'cursor = "at"',
        "id": 'cursor = "id"\ncursor_type = "integer"',
    }.items():
        pipeline = landing(tmp_path / name, fresh, cursor)
        days = [DAY + timedelta(days=number) for number in range(4)]
        for day in days:
            fresh.execute(insert)
            await pipeline.run(day)
        await pipeline.run(days[-1] + timedelta(days=1))
        days.append(days[-1] + timedelta(days=1))
        landed = [row for day in days for row in await pipeline.column("id", day)]
        ((last,),) = fresh.execute("SELECT max(id) FROM t")
        # The very last came after all readings of the last run but that of xmin.
        missing = set(range(1, int(last or 0) + 1)) - set(landed)
        assert len(landed) == len(set(landed))
        assert missing <= {int(last or 0)}


async def test_a_lookback_reads_again_and_counts_what_is_late(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "id"\ncursor_type = "integer"\nlookback = 3')
    fresh.execute("INSERT INTO t (id) SELECT i FROM generate_series(1, 10) i WHERE i <> 9")
    await pipeline.run(DAY)
    fresh.execute("INSERT INTO t (id) VALUES (9), (11)")
    report = await pipeline.run(NEXT)
    assert sorted(await pipeline.column("id", NEXT)) == [8, 9, 10, 11]
    assert report.late_rows == 3
    assert report.watermark is not None
    assert (report.watermark.low, report.watermark.high) == ("10", "11")
    report = await pipeline.run(THIRD)  # nothing is new; what is looked back at comes again
    assert sorted(await pipeline.column("id", THIRD)) == [9, 10, 11]
    assert (report.late_rows, report.watermark and report.watermark.high) == (3, "11")


async def test_rows_at_the_watermark_come_again_where_it_is_closed(
    fresh: Database, tmp_path: Path
) -> None:
    text = 'cursor = "at"\ninitial = "2024-01-01"\nlow_open = false'
    pipeline = landing(tmp_path, fresh, text)
    fresh.execute("INSERT INTO t (at) VALUES ('2023-12-31 23:59:59+00'), ('2024-01-01 00:00+00')")
    await pipeline.run(DAY)
    assert await pipeline.column("id", DAY) == [2]
    fresh.execute("INSERT INTO t (at) VALUES ('2024-01-01 00:00+00')")
    report = await pipeline.run(NEXT)
    assert sorted(await pipeline.column("id", NEXT)) == [2, 3]
    assert report.late_rows == 2
    assert report.watermark is not None
    assert not report.watermark.low_open


async def test_a_date_that_is_run_again_keeps_its_window(fresh: Database, tmp_path: Path) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "id"\ncursor_type = "integer"')
    fresh.execute("INSERT INTO t (id) VALUES (1), (2)")
    await pipeline.run(DAY)
    fresh.execute("INSERT INTO t (id) VALUES (4), (5)")
    await pipeline.run(NEXT)
    fresh.execute("INSERT INTO t (id) VALUES (6); UPDATE t SET note = 'changed' WHERE id = 2")
    report = await pipeline.run(DAY)
    assert await pipeline.column("id", DAY) == [1, 2]
    assert await pipeline.column("note", DAY) == [None, "changed"]
    assert report.watermark is not None
    assert (report.watermark.low, report.watermark.high) == (None, "2")
    await pipeline.run(NEXT)
    assert await pipeline.column("id", NEXT) == [4, 5, 6]


async def test_rows_without_a_cursor_value_are_told_or_kept_apart(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id int, c timestamptz, note text);"
        """INSERT INTO t VALUES (1, '2024-01-01', ''), (2, NULL, E'a "b"\\n'), (3, NULL, 'c')"""
    )
    failing = landing(tmp_path / "fail", database, 'cursor = "c"')
    with pytest.raises(QualityError, match=r"2 rows have no 'c'.*on_null_cursor"):
        await failing.run()
    kept = landing(
        tmp_path / "kept", database, 'cursor = "c"\non_null_cursor = "quarantine"',
        head="[pipelines.team.orders.quality]\nmax_bad_rows = 5",
    )  # fmt: skip
    report = await kept.run()
    assert await kept.column("id") == [1]
    assert report.rejected == 2


async def test_templates_of_a_query_are_the_window(fresh: Database, tmp_path: Path) -> None:
    query = "SELECT id, at FROM t WHERE at > {low} AND at <= {high}"
    pipeline = Landing(
        tmp_path,
        fresh,
        f'query = "{query}"',
        pipeline='load = "incremental"\n[pipelines.team.orders.incremental]\n'
        'cursor = "at"\ninitial = "2024-06-01"',
    )
    fresh.execute("INSERT INTO t (at) VALUES ('2024-05-31'), ('2024-06-02'), (DEFAULT)")
    await pipeline.run(DAY)
    assert await pipeline.column("id", DAY) == [2, 3]


async def test_sessions_that_are_hidden_need_a_grant_or_a_lag(
    fresh: Database, tmp_path: Path
) -> None:
    server = fresh.server
    server.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'r'")
    fresh.execute("GRANT SELECT ON t TO reader")
    fresh.execute("INSERT INTO t (at, note) VALUES (now() - interval '2 h', 'old'), (now(), 'new')")
    dsn = f"postgresql://reader:r@127.0.0.1:{server.port}/{fresh.name}"
    blind = landing(tmp_path / "blind", fresh, 'cursor = "at"', dsn=dsn)
    async with session(fresh):
        with pytest.raises(ExtractError, match=r"GRANT pg_read_all_stats TO \"?reader.*lag"):
            await blind.run()
        lagging = landing(tmp_path / "lag", fresh, 'cursor = "at"\nlag = "1h"', dsn=dsn)
        await lagging.run()
        assert await lagging.column("note") == ["old"]
        server.execute("GRANT pg_read_all_stats TO reader")
        await blind.run()
        assert await blind.column("note") == ["old", "new"]


@pytest.mark.parametrize(
    ("cursor", "told"),
    [
        ('cursor = "note"', 'no cursor_type = "timestamp"; set incremental.cursor_type = "text"'),
        ('cursor = "att"', "did you mean 'at'"),
        ('cursor = "naive"', "cursor_timezone"),
        ('cursor = "id"\ncursor_type = "date"', 'set incremental.cursor_type = "integer"'),
    ],
)
async def test_a_cursor_that_does_not_fit_says_what_does(
    cursor: str, told: str, fresh: Database, tmp_path: Path
) -> None:
    fresh.execute("ALTER TABLE t ADD COLUMN naive timestamp")
    with pytest.raises((ConfigError, ExtractError), match=told):
        await landing(tmp_path, fresh, cursor).run()


async def test_values_in_the_future_wait_until_they_are_past(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "at"')
    fresh.execute("INSERT INTO t (at) VALUES (now() + interval '1 s'), ('infinity'), (now())")
    await pipeline.run(DAY)
    assert await pipeline.column("id", DAY) == [3]
    fresh.execute("DELETE FROM t WHERE at = 'infinity'; SELECT pg_sleep(1)")
    await pipeline.run(NEXT)
    assert await pipeline.column("id", NEXT) == [1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "cursor",
    [
        'cursor = "at"',
        'cursor = "x"\ncursor_type = "xid8"',
        'cursor = "xmin"\ncursor_type = "xid8"',
    ],
    ids=["timestamp", "xid8", "xmin"],
)
async def test_whatever_commits_when_each_row_lands_once(
    cursor: str, seed: int, fresh: Database, tmp_path: Path
) -> None:
    fresh.execute("ALTER TABLE t ADD COLUMN x xid8 NOT NULL DEFAULT pg_current_xact_id()")
    choice = random.Random(seed)
    pipeline = landing(tmp_path, fresh, cursor)
    insert = "INSERT INTO t (at) VALUES (clock_timestamp())"
    days = [DAY + timedelta(days=number) for number in range(8)]
    async with session(fresh) as one, session(fresh) as two, session(fresh) as quick:
        begun: dict[asyncpg.Connection, Any] = {}
        for day in days:
            for _ in range(choice.randint(1, 8)):
                other = choice.choice([one, two])
                if other not in begun:
                    begun[other] = other.transaction()
                    await begun[other].start()
                elif choice.random() < 0.3:
                    await begun.pop(other).commit()
                elif choice.random() < 0.2:
                    await begun.pop(other).rollback()
                else:
                    await other.execute(insert)
                await quick.execute(insert)
            if day == days[-1]:
                for open_one in begun.values():
                    await open_one.commit()
            await pipeline.run(day)
    landed = [row for day in days for row in await pipeline.column("id", day)]
    there = [int(number or 0) for (number,) in fresh.execute("SELECT id FROM t")]
    assert sorted(landed) == sorted(there)
