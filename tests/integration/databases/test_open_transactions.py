"""Rows that are committed after later ones: whoever is open is waited for, or told of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ExtractError
from tests.integration.databases.by_cursor import landing, session
from tests.integration.databases.landing import DAY
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


async def test_numbers_are_read_once_all_that_were_open_have_ended(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "id"\ncursor_type = "integer"')
    async with session(fresh) as other:
        begun = other.transaction()
        await begun.start()
        late = await other.fetchval("INSERT INTO t (note) VALUES ('late') RETURNING id")
        fresh.execute("INSERT INTO t (note) VALUES ('newer')")
        ((highest,),) = fresh.execute("SELECT max(id) FROM t")
        assert late < int(highest or 0)  # the naive watermark passes the row that is to come
        run = asyncio.create_task(pipeline.run(DAY))
        await SYSTEM_CLOCK.sleep(0.6)
        assert not run.done()
        await begun.commit()
        report = await run
    assert await pipeline.column("note", DAY) == ["late", "newer"]
    assert report.watermark is not None
    assert report.watermark.high == highest


async def test_who_takes_a_number_first_and_writes_last_is_waited_for(
    fresh: Database, tmp_path: Path
) -> None:
    pipeline = landing(tmp_path, fresh, 'cursor = "id"\ncursor_type = "integer"')
    async with session(fresh) as other:
        begun = other.transaction()
        await begun.start()
        # Now and then the sequence itself writes, which would number the transaction early.
        take = "SELECT nextval(pg_get_serial_sequence('t', 'id'))"
        fresh.execute(take)
        late = await other.fetchval(take)
        fresh.execute("INSERT INTO t (note) VALUES ('newer')")
        sql = "INSERT INTO t (id, note) OVERRIDING SYSTEM VALUE VALUES ($1, 'late')"
        await other.execute(sql, late)  # no transaction has a higher number than this one
        run = asyncio.create_task(pipeline.run(DAY))
        await SYSTEM_CLOCK.sleep(0.6)
        assert not run.done()
        await begun.commit()
        await run
    assert sorted(await pipeline.column("note", DAY)) == ["late", "newer"]


async def test_a_session_that_tells_nothing_of_itself_needs_a_lag(
    fresh: Database, tmp_path: Path
) -> None:
    async with session(fresh) as other:
        await other.execute("SET track_activities = off")
        begun = other.transaction()
        await begun.start()
        await other.execute("INSERT INTO t (note) VALUES ('late')")
        with pytest.raises(ExtractError, match="has track_activities off"):
            await landing(tmp_path, fresh, 'cursor = "at"').run(DAY)
        lagging = landing(tmp_path / "lagging", fresh, 'cursor = "at"\nlag = "1h"')
        await lagging.run(DAY)
        await begun.rollback()
    assert await lagging.column("note", DAY) == []
