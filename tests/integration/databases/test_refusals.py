"""What a server refuses, or keeps a run waiting for: each with its code and the next step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import BronzeError, ExtractError, RetryError
from bronze_engine.store.memory import MemoryStore
from tests.integration.databases.held import HeldStore, stalled, until
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 200_000

ORDERS = """
CREATE TABLE orders (id bigint PRIMARY KEY, pad text NOT NULL);
INSERT INTO orders SELECT i, repeat('x', 600) FROM generate_series(1, 200000) AS i;
ANALYZE orders;
"""


@pytest.fixture(scope="module")
def orders(database: Database) -> Database:
    database.execute(ORDERS)
    return database


async def test_a_statement_past_its_timeout_is_ext001_at_once(
    orders: Database, tmp_path: Path
) -> None:
    landing = Landing(
        tmp_path,
        orders,
        'query = "SELECT pg_sleep(10)::text AS id"',
        connection='statement_timeout = "100ms"',
    )
    began = SYSTEM_CLOCK.monotonic()
    with pytest.raises(ExtractError, match="statement_timeout of the connection"):
        await landing.run()
    assert SYSTEM_CLOCK.monotonic() - began < 3


def locked(database: Database) -> Iterator[None]:
    with database.server.session(database.name) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"BEGIN; LOCK TABLE orders;\n\\echo locked\n")
        other.stdin.flush()
        assert other.stdout.readline() == b"locked\n"
        yield


async def test_a_lock_that_somebody_keeps_is_ext001_and_one_that_goes_is_waited_for(
    orders: Database, tmp_path: Path
) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"', connection='lock_timeout = "50ms"')
    lock = locked(orders)
    next(lock)
    with pytest.raises(ExtractError, match=r"lock timeout.*55P03"):
        await landing.run()
    patient = Landing(tmp_path / "patient", orders, 'table = "orders"')
    task = asyncio.create_task(patient.run())
    await until(lambda: any(s.wait_event == "relation" for s in orders.sessions()), task)
    assert next(lock, None) is None  # the other session ends
    assert (await task).rows == ROWS


async def test_too_many_connections_are_waited_for_and_in_the_end_retry001(
    orders: Database, tmp_path: Path
) -> None:
    server = orders.server
    server.execute("CREATE ROLE one LOGIN PASSWORD 'one' CONNECTION LIMIT 1")
    orders.execute("GRANT SELECT ON orders TO one")
    dsn = f"postgresql://one:one@127.0.0.1:{server.port}/{orders.name}"
    retry = '[connections.db.retry]\nattempts = 3\nbackoff = "10ms"'
    store = HeldStore(MemoryStore(SYSTEM_CLOCK))
    first = Landing(tmp_path / "first", orders, 'table = "orders"', dsn=dsn, store=store)
    task = asyncio.create_task(first.run())
    await until(lambda: stalled(orders), task)
    second = Landing(tmp_path / "second", orders, 'table = "orders"', dsn=dsn, connection=retry)
    with pytest.raises(RetryError, match=r"failed 3 times.*too many connections.*53300"):
        await second.run()
    third = Landing(tmp_path / "third", orders, 'table = "orders"', dsn=dsn)
    waiting = asyncio.create_task(third.run())
    await SYSTEM_CLOCK.sleep(0.2)
    store.let_go()
    assert (await task).rows == (await waiting).rows == ROWS


async def refused(landing: Landing) -> BronzeError:
    with pytest.raises(BronzeError) as caught:
        await landing.run()
    assert await landing.unowned() == []
    assert "hunter2" not in str(caught.value)
    return caught.value


async def test_each_refusal_has_its_code_and_its_next_step(
    orders: Database, tmp_path: Path
) -> None:
    server = orders.server
    server.execute("CREATE ROLE visitor LOGIN PASSWORD 'hunter2'")
    at = f"127.0.0.1:{server.port}"
    guest = f"postgresql://visitor:hunter2@{at}/{orders.name}"
    table = 'table = "orders"'
    refusals: list[tuple[str, dict[str, Any], str, str]] = [
        (table, {"dsn": f"postgresql://visitor:hunter22@{at}/{orders.name}"}, "AUTH001", "28P01"),
        (table, {"dsn": f"postgresql://visitor:hunter2@{at}/nowhere"}, "EXT001", "check database"),
        (table, {"dsn": guest}, "EXT001", "GRANT SELECT ON"),
        ('query = "SELECT * FROM orders"', {"dsn": guest}, "EXT001", "GRANT SELECT"),
        ('table = "ordres"', {}, "EXT001", "did you mean"),
        ('query = "SELECT * FROM ordres"', {}, "EXT001", "42P01"),
        (f'{table}\nwhere = "nope > 1"', {}, "EXT001", "42703"),
        (f'{table}\nwhere = "id >>> 1"', {}, "EXT001", "42883"),
        (f'{table}\nwhere = "id >"', {}, "CFG001", "42601"),
        ("query = \"SELECT nextval('s') AS id\"", {}, "EXT001", "42P01"),
    ]
    for number, (source, more, code, words) in enumerate(refusals):
        error = await refused(Landing(tmp_path / str(number), orders, source, **more))
        assert error.code == code, str(error)
        assert words in str(error)


async def test_a_query_that_writes_is_refused(orders: Database, tmp_path: Path) -> None:
    orders.execute("CREATE SEQUENCE numbers")
    error = await refused(Landing(tmp_path, orders, "query = \"SELECT nextval('numbers') AS id\""))
    assert error.code == "EXT001"
    assert "runs only read" in str(error)
