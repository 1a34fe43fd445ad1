"""What [connections.NAME] says of a driver: how many at once, its options, its entrypoint."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from pathlib import Path

import _duckdb
import anyio
import pyarrow as pa
import pytest

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.adbc.database import Database
from bronze_engine.sources.adbc.handles import ConnectionHandle
from bronze_engine.sources.adbc.query import Query
from bronze_engine.workers import Workers
from tests.integration.adbc.lake import Lake, in_duckdb, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


async def test_no_more_connections_are_open_than_configured(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    in_sqlite(path, "CREATE TABLE t (id INTEGER)")
    config = AdbcConnection(name="db", driver="sqlite", uri=Secret(str(path)), max_connections=2)
    opened, most = 0, 0
    two = anyio.Event()

    async def use(database: Database) -> None:
        nonlocal opened, most
        async with database.session() as session:
            opened += 1
            most = max(most, opened)
            if opened == 2:
                two.set()
            await two.wait()
            for _ in range(20):  # a third would open meanwhile
                async with session.query(Query("SELECT 1")) as result:
                    assert result.schema.types == [pa.int64()]
            opened -= 1

    with Workers(4) as workers:
        async with Database(config, workers) as database, anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(use, database)
    assert most == 2


async def test_the_database_closes_after_the_last_of_its_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.db"
    in_sqlite(path, "CREATE TABLE t (id INTEGER)")
    config = AdbcConnection(name="db", driver="sqlite", uri=Secret(str(path)), max_connections=2)
    other_has_ended = threading.Event()
    close = ConnectionHandle.close

    def close_late(handle: ConnectionHandle) -> None:
        if handle is slow:
            assert other_has_ended.wait(10)
        close(handle)

    monkeypatch.setattr(ConnectionHandle, "close", close_late)
    with Workers(4) as workers:
        async with Database(config, workers) as database:
            async with AsyncExitStack() as one, AsyncExitStack() as two:
                await one.enter_async_context(database.session())
                slow = (await two.enter_async_context(database.session()))._handle
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(two.pop_all().aclose)
                    try:
                        await one.pop_all().aclose()
                    finally:
                        other_has_ended.set()
            async with database.session() as again, again.query(Query("SELECT 1")) as result:
                assert result.schema.types == [pa.int64()]


async def test_options_reach_the_driver(tmp_path: Path) -> None:
    lake = Lake(
        tmp_path,
        "duckdb",
        "query = \"SELECT current_setting('threads') AS threads\"",
        more='[connections.db.options]\nthreads = "3"\n',
    )
    in_duckdb(lake.database, "CREATE TABLE t (id integer)")
    await lake.run()
    assert lake.rows() == [{"threads": 3}]


async def test_a_library_begins_with_the_configured_function(tmp_path: Path) -> None:
    lake = Lake(tmp_path, _duckdb.__file__, 'query = "SELECT interval 1 day AS a, 1::hugeint AS b"')
    text = lake.path.read_text().replace("uri =", "# uri =")
    options = f'[connections.db.options]\npath = "{tmp_path / "x.duckdb"}"\n'
    lake.path.write_text(text + options)
    with pytest.raises(ExtractError, match=r"connections\.db does not open.* check driver, entry"):
        await lake.run()
    entrypoint = 'entrypoint = "duckdb_adbc_init"\n# uri ='
    lake.path.write_text(lake.path.read_text().replace("# uri =", entrypoint))
    await lake.run()
    assert lake.rows() == [{"a": "1 day", "b": "1"}]  # it is known by what it says that it is


async def test_rows_of_a_batch_are_refused_where_nobody_takes_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path, _duckdb.__file__, 'query = "SELECT 1 AS a"\nbatch_rows = 5')
    text = lake.path.read_text().replace("uri =", 'entrypoint = "duckdb_adbc_init"\n# uri =')
    lake.path.write_text(text)
    with pytest.raises(ConfigError, match="batch_rows has no effect on duckdb"):
        await lake.run()


async def test_nothing_is_written_to_a_database(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", "query = \"SELECT nextval('ids') AS id\"")
    in_duckdb(lake.database, "CREATE SEQUENCE ids")
    with pytest.raises(ExtractError, match="read-only"):
        await lake.run()
