"""What a server does in the middle of a COPY, and that every row lands exactly once after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import psutil
import pyarrow.compute as pc
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ExtractError, RetryError
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from tests.integration.databases.held import HeldStore, copies, interrupted, stalled, until
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database, PostgresServer, Session

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 400_000
"""Of some 300 bytes each: more than a run takes in while its store takes nothing."""

ORDERS = """
CREATE TABLE orders (id bigint PRIMARY KEY, pad text NOT NULL);
INSERT INTO orders SELECT i, repeat('x', 300) FROM generate_series(1, 400000) AS i;
ANALYZE orders;
"""

SIDE_BY_SIDE = 'table = "orders"\npartition_column = "id"\npartitions = 4\nparallel = 4'


@pytest.fixture(scope="module")
def orders(database: Database) -> Database:
    database.execute(ORDERS)
    return database


@pytest.fixture
def own_orders(own_postgres: PostgresServer) -> Database:
    """On a server that the test may stop."""
    database = own_postgres.create_database()
    database.execute(ORDERS)
    return database


@final
class Held:
    """A pipeline over `orders`, and the store that holds it up."""

    def __init__(
        self, folder: Path, database: Database, source: str = 'table = "orders"', **more: Any
    ) -> None:
        self.database = database
        self.store = HeldStore(MemoryStore(SYSTEM_CLOCK))
        self.landing = Landing(folder, database, source, store=self.store, **more)

    async def interrupted(
        self, interrupt: Callable[[list[Session]], None], *, at_once: int = 1
    ) -> RunReport:
        """Run, interrupt, and see that all rows have landed once."""
        report = await interrupted(
            self.landing, self.store, self.database, interrupt, at_once=at_once
        )
        await self.see(report)
        return report

    async def see(self, report: RunReport) -> None:
        table = await self.landing.table()
        ids = table.column("id")
        assert report.rows == len(ids) == ROWS
        assert pc.count_distinct(ids).as_py() == ROWS
        assert pc.sum(ids).as_py() == ROWS * (ROWS + 1) // 2
        assert await self.landing.unowned() == []
        assert self.database.sessions() == []


def terminate(database: Database) -> Callable[[list[Session]], None]:
    def terminated(sessions: list[Session]) -> None:
        for session in sessions:
            database.execute(f"SELECT pg_terminate_backend({session.pid})")

    return terminated


async def test_a_backend_that_is_terminated_starts_the_run_over(
    orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = await Held(tmp_path, orders).interrupted(terminate(orders))
    assert report.retries == 1
    # The server's last words may be lost behind rows that nobody has taken.
    assert "connection" in caplog.text
    assert "the run starts over" in caplog.text


async def test_a_query_that_is_cancelled_is_read_again(
    orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cancel(sessions: list[Session]) -> None:
        for session in sessions:
            orders.execute(f"SELECT pg_cancel_backend({session.pid})")

    await Held(tmp_path, orders).interrupted(cancel)
    assert "57014" in caplog.text


async def test_a_slice_whose_backend_is_terminated_is_read_again_in_the_same_snapshot(
    orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(tmp_path, orders, SIDE_BY_SIDE)

    def last_of(sessions: list[Session]) -> None:
        """The youngest session follows the one that keeps the snapshot."""
        orders.execute("INSERT INTO orders VALUES (400001, 'too late')")
        terminate(orders)(sessions[-1:])

    try:
        report = await held.interrupted(last_of, at_once=4)
    finally:
        orders.execute("DELETE FROM orders WHERE id > 400000")
    assert report.retries == 1
    assert "the run starts over" not in caplog.text


async def test_with_the_snapshot_everything_is_read_again(
    orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await Held(tmp_path, orders, SIDE_BY_SIDE).interrupted(terminate(orders), at_once=4)
    assert "the run starts over" in caplog.text


@pytest.mark.parametrize("source", ['table = "orders"', SIDE_BY_SIDE], ids=["one", "four"])
async def test_a_server_that_is_restarted_is_met_again(
    source: str, own_orders: Database, tmp_path: Path
) -> None:
    server = own_orders.server
    at_once = 4 if source == SIDE_BY_SIDE else 1
    await Held(tmp_path, own_orders, source).interrupted(
        lambda _: server.restart(), at_once=at_once
    )


@pytest.mark.slow
async def test_a_server_that_is_killed_is_met_again_after_its_recovery(
    own_orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_orders.server
    waiting: list[threading.Timer] = []

    def kill(_: list[Session]) -> None:
        server.kill9()
        waiting.append(threading.Timer(1.0, server.start))
        waiting[0].start()

    try:
        await Held(tmp_path, own_orders).interrupted(kill)
    finally:
        for timer in waiting:
            timer.join()
    assert "connecting to connections.db" in caplog.text


async def test_a_server_that_stays_away_is_retry001(own_orders: Database, tmp_path: Path) -> None:
    retry = '[connections.db.retry]\nattempts = 2\nbackoff = "10ms"'
    held = Held(tmp_path, own_orders, connection=retry)
    with pytest.raises(RetryError, match=r"failed 2 times.*Connection refused"):
        await held.interrupted(lambda _: own_orders.server.kill9())
    assert await held.landing.unowned() == []


async def test_a_keyset_goes_on_with_the_chunk_that_was_lost(
    orders: Database, tmp_path: Path
) -> None:
    source = 'table = "orders"\nreading = "keyset"\nchunk_rows = 300_000'
    pipeline = 'primary_key = ["id"]'
    await Held(tmp_path, orders, source, pipeline=pipeline).interrupted(terminate(orders))


async def test_a_snapshot_that_is_lost_each_time_is_ext001(
    orders: Database, tmp_path: Path
) -> None:
    landing = Landing(tmp_path, orders, 'query = "SELECT pg_sleep(10)::text AS id"')
    task = asyncio.create_task(landing.run())
    for _ in range(3):
        await until(lambda: copies(orders), task)
        terminate(orders)(copies(orders))
        await until(lambda: not copies(orders) or task.done())
    with pytest.raises(ExtractError, match="lost 3 times in a row"):
        await task
    assert await landing.unowned() == []


async def test_a_serialization_failure_is_read_again(
    orders: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # As on a standby, where a query must give way to what is replayed.
    orders.execute("""
        CREATE TABLE conflict AS SELECT true AS is_on;
        CREATE FUNCTION read_carefully(id bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
          IF id = 1000 AND EXISTS (SELECT FROM conflict) THEN
            PERFORM pg_sleep(0.5);
            RAISE 'canceling statement due to conflict with recovery' USING ERRCODE = '40001';
          END IF;
          RETURN id;
        END $$""")
    landing = Landing(
        tmp_path, orders, 'query = "SELECT read_carefully(id) AS id FROM orders WHERE id <= 2000"'
    )
    task = asyncio.create_task(landing.run())
    await until(lambda: any(s.wait_event == "PgSleep" for s in orders.sessions()), task)
    orders.execute("DELETE FROM conflict")
    assert (await task).rows == 2000
    assert sorted(await landing.column("id")) == list(range(1, 2001))
    assert "40001" in caplog.text


async def test_a_stalled_store_holds_up_the_server_and_memory_stays_as_it_is(
    orders: Database, tmp_path: Path
) -> None:
    held = Held(tmp_path, orders)
    task = asyncio.create_task(held.landing.run())
    await until(lambda: stalled(orders), task)
    sizes: list[int] = []
    while len(sizes) < 5 or max(sizes[-5:]) - min(sizes[-5:]) > 256 * 1024:  # for a second
        assert len(sizes) < 50
        sizes.append(psutil.Process().memory_info().rss)
        await SYSTEM_CLOCK.sleep(0.2)
        assert stalled(orders)
    held.store.let_go()
    await held.see(await task)


@pytest.mark.parametrize("source", ['table = "orders"', SIDE_BY_SIDE], ids=["one", "four"])
async def test_a_cancelled_run_is_gone_from_the_server_within_a_second(
    source: str, orders: Database, tmp_path: Path
) -> None:
    held = Held(tmp_path, orders, source)
    before = asyncio.all_tasks()
    task = asyncio.create_task(held.landing.run())
    await until(lambda: len(stalled(orders)) == (4 if source == SIDE_BY_SIDE else 1), task)
    began = SYSTEM_CLOCK.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not orders.sessions())
    assert SYSTEM_CLOCK.monotonic() - began < 1.0
    assert asyncio.all_tasks() == before
    assert await held.landing.unowned() == []


@pytest.mark.slow
async def test_cancelled_anywhere_nothing_is_left_and_nothing_is_complained_of(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.create_database()
    database.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, pad text NOT NULL);"
        "INSERT INTO orders SELECT i, repeat('x', 300) FROM generate_series(1, 50000) AS i;"
        "ANALYZE orders"
    )
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    began = SYSTEM_CLOCK.monotonic()
    await Landing(tmp_path / "whole", database, SIDE_BY_SIDE).run()
    whole = SYSTEM_CLOCK.monotonic() - began
    for step in range(40):
        landing = Landing(tmp_path / str(step), database, SIDE_BY_SIDE)
        task = asyncio.create_task(landing.run())
        await SYSTEM_CLOCK.sleep(whole * step / 40)
        began = SYSTEM_CLOCK.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert SYSTEM_CLOCK.monotonic() - began < 1.0
        await until(lambda: not database.sessions())
        assert asyncio.all_tasks() == before
        assert await landing.unowned() == []
    assert complaints == []
