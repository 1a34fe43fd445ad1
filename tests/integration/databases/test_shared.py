"""What the runs of one engine share: connections, and the limits of connecting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import RetryError
from bronze_engine.store.memory import MemoryStore
from tests.integration.databases.held import HeldStore, stalled, until
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database
from tests.unit.run.harness import DAY, load_text, opened

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

NAMES = ("a", "b", "c", "d", "e")

ORDERS = """
CREATE TABLE orders (id bigint PRIMARY KEY, pad text NOT NULL);
INSERT INTO orders SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) AS i;
ANALYZE orders;
"""


@pytest.fixture(scope="module")
def orders(database: Database) -> Database:
    database.execute(ORDERS)
    return database


@pytest.mark.parametrize("most", [1, 3])
async def test_pipelines_share_the_connections_of_a_process(
    most: int, orders: Database, tmp_path: Path
) -> None:
    text = (
        '[engine]\nlog_dir = ""\n[connections.db]\ntype = "postgres"\n'
        f'dsn = "{orders.dsn}"\nmax_connections = {most}\n'
    )
    for name in NAMES:
        text += (
            f'[pipelines.team.{name}.source]\ntype = "postgres"\nconnection = "db"\n'
            'table = "orders"\npartition_column = "id"\npartitions = 2\n'
        )
    store = HeldStore(MemoryStore(SYSTEM_CLOCK))
    seen: list[int] = []
    async with opened(
        load_text(text, folder=tmp_path), None, store=store, clock=SYSTEM_CLOCK
    ) as engine:

        async def run(name: str) -> None:
            report = await engine.run(f"team.{name}", run_date=DAY)
            assert report.rows == 100_000
            seen.append(len(orders.sessions()))

        async with anyio.create_task_group() as tasks:
            for name in NAMES:
                tasks.start_soon(run, name)
            await until(lambda: len(stalled(orders)) == most)
            await SYSTEM_CLOCK.sleep(0.1)
            assert len(orders.sessions()) == most
            store.let_go()
    assert len(seen) == len(NAMES)
    assert max(seen) <= most
    assert orders.sessions() == []


async def test_pg_stat_activity_shows_which_pipeline_reads(
    orders: Database, tmp_path: Path
) -> None:
    store = HeldStore(MemoryStore(SYSTEM_CLOCK))
    landing = Landing(
        tmp_path, orders, 'table = "orders"', store=store, connection='application_name = "lake"'
    )
    task = asyncio.create_task(landing.run())
    await until(lambda: stalled(orders), task)
    ((name,),) = orders.execute(
        "SELECT application_name FROM pg_stat_activity WHERE query LIKE 'COPY%'"
    )
    assert name == "lake/team.orders"
    store.let_go()
    await task


async def test_a_server_that_is_not_there_opens_the_breaker_of_its_connection(
    tmp_path: Path, orders: Database, caplog: pytest.LogCaptureFixture
) -> None:
    limits = (
        '[connections.db.retry]\nattempts = 3\nbackoff = "1ms"\n'
        '[connections.db.circuit_breaker]\nfailures = 1\ncooldown = "10ms"'
    )
    gone = orders.dsn.replace(f":{orders.server.port}/", ":1/")
    landing = Landing(tmp_path, orders, 'table = "orders"', dsn=gone, connection=limits)
    with pytest.raises(RetryError, match="Connection refused"):
        await landing.run()
    assert "metric=breaker_state" in caplog.text
    assert "state=open" in caplog.text
