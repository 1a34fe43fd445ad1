"""A run that is cancelled lets go of its database at once, and of everything else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import duckdb
import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.telemetry.events import Event, RowsWritten
from tests.integration.adbc.lake import DAY, Lake, in_duckdb, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ENDLESS = "SELECT count(*) AS n FROM range(3000000000) a, range(1000) b"


async def test_a_query_that_runs_is_cancelled_by_its_driver(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", f'query = "{ENDLESS}"')
    in_duckdb(lake.database, "CREATE TABLE t (id integer)")
    async with open_engine(load_config(lake.path, environ={})) as engine:
        task = asyncio.create_task(engine.run("team.orders", run_date=DAY))
        await asyncio.wait([task], timeout=0.7)
        assert not task.done()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 10  # of what would never end
        with duckdb.connect(str(lake.database)) as other:  # with another mode than the run had
            other.execute("CREATE TABLE u (id integer)")
    assert not list((tmp_path / "lake").rglob("*.parquet"))


@pytest.mark.parametrize("driver", ["sqlite", "duckdb"])
async def test_a_result_that_is_read_is_cancelled_between_its_batches(
    tmp_path: Path, driver: str
) -> None:
    endless = (
        "WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r WHERE id < 3000000)"
        " SELECT id FROM r"
        if driver == "sqlite"
        else "SELECT range AS id FROM range(100000000000)"
    )
    lake = Lake(tmp_path, driver, f'query = "{endless}"')
    (in_sqlite if driver == "sqlite" else in_duckdb)(lake.database, "CREATE TABLE t (id integer)")
    written = asyncio.Event()

    def told(event: Event) -> None:
        if isinstance(event, RowsWritten):
            written.set()

    async with open_engine(load_config(lake.path, environ={}), hooks=[told]) as engine:
        task = asyncio.create_task(engine.run("team.orders", run_date=DAY))
        await asyncio.wait_for(written.wait(), 30)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 10  # of what would never end
        assert engine.statistics().pooled_bytes == 0
    assert not list((tmp_path / "lake").rglob("*.parquet"))


async def test_a_survey_of_types_is_cancelled_between_its_steps(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r) SELECT id FROM r"
    lake = Lake(tmp_path, "sqlite", f'query = "{endless}"')
    in_sqlite(lake.database, "CREATE TABLE t (id integer)")
    async with open_engine(load_config(lake.path, environ={})) as engine:
        task = asyncio.create_task(engine.run("team.orders", run_date=DAY))
        await asyncio.wait([task], timeout=0.7)
        assert not task.done()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 10  # of what would never end


async def test_leaving_a_stream_of_batches_closes_the_database(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'query = "SELECT range AS id FROM range(100000000000)"')
    in_duckdb(lake.database, "CREATE TABLE t (id integer)")
    async with open_engine(load_config(lake.path, environ={})) as engine:
        async with engine.batches("team.orders", run_date=DAY) as batches:
            async for batch in batches:
                assert batch["id"][0].as_py() == 0
                break
        with duckdb.connect(str(lake.database)) as other:
            other.execute("CREATE TABLE u (id integer)")
