"""Connections are shared, bounded, given back clean or ended, and cancelled on the server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import anyio
import asyncpg
import pytest
import trustme

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.sources.postgres.connection import CLOSE_SECONDS
from bronze_engine.sources.postgres.pool import Claim
from tests.integration.databases.front import front
from tests.integration.databases.pools import opened
from tests.integration.postgres import Database, PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

SLEEP = "SELECT pg_sleep(60)"
COPY = "SELECT g, repeat('x', 1000) FROM (SELECT generate_series(1, 50000000) g) g"


def opened_now(database: Database) -> int:
    return len(database.sessions())


def stalled(database: Database) -> bool:
    """Whether the server waits for us to take what it has sent."""
    return [session.wait_event for session in database.sessions()] == ["ClientWrite"]


async def until(question: Callable[[], bool]) -> None:
    async with SYSTEM_CLOCK.timeout(10.0):
        while not question():
            await SYSTEM_CLOCK.sleep(0.02)


async def sleeping(claim: Claim, sql: str = SLEEP) -> None:
    async with claim.connection() as connection:
        await connection.execute(sql)


async def copying(claim: Claim, sink: Callable[[bytes], Awaitable[None]]) -> None:
    async with claim.connection() as connection:
        await connection.copy_from_query(COPY, output=sink, format="binary")


async def test_a_clean_connection_serves_the_next_and_none_is_kept_when_nobody_claims(
    database: Database,
) -> None:
    async with opened() as pools:
        pool = pools.pool(database.dsn)
        async with pool.claim(pools.limits()) as claim:
            pids = []
            for _ in range(3):
                async with claim.connection() as connection:
                    pids.append(connection.get_server_pid())
            assert len(set(pids)) == 1
            assert opened_now(database) == 1
        assert opened_now(database) == 0


async def test_one_that_is_left_in_a_transaction_or_by_an_error_is_ended(
    database: Database,
) -> None:
    async with opened() as pools, pools.pool(database.dsn).claim(pools.limits()) as claim:
        async with claim.connection() as connection:
            await connection.execute("BEGIN; SELECT 1")
        assert connection.is_closed()
        with pytest.raises(asyncpg.UndefinedTableError):
            async with claim.connection() as connection:
                await connection.execute("SELECT * FROM nowhere")
        assert connection.is_closed()
        async with claim.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        database.execute(f"SELECT pg_terminate_backend({connection.get_server_pid()})")
        async with claim.connection() as another:  # nobody is given a dead one
            assert await another.fetchval("SELECT 1") == 1
        assert another is not connection


async def test_a_claim_takes_what_is_free_and_never_more_than_it_asks_for(
    database: Database,
) -> None:
    async with opened() as pools:
        pool, limits = pools.pool(database.dsn, most=5), pools.limits()
        async with pool.claim(limits, 3) as first, pool.claim(limits, 4) as second:
            assert (first.size, second.size) == (3, 2)
            async with anyio.create_task_group() as tasks:
                for claim in (first, second):
                    for _ in range(6):
                        tasks.start_soon(sleeping, claim, "SELECT pg_sleep(0.05)")
                await until(lambda: opened_now(database) == 5)
            assert opened_now(database) == 5


async def test_claims_are_met_in_the_order_of_asking_and_no_two_wait_for_each_other(
    database: Database,
) -> None:
    async with opened() as pools:
        pool, limits = pools.pool(database.dsn, most=2), pools.limits()
        order: list[int] = []

        async def run(number: int) -> None:
            async with pool.claim(limits, 2) as claim:
                order.append(number)
                # As a run does: one keeps the snapshot, while it reads over what else it has.
                async with claim.connection() as snapshot:
                    await snapshot.execute("BEGIN")
                    if claim.size > 1:
                        async with claim.connection() as connection:
                            await connection.fetchval("SELECT pg_sleep(0.01)")
                    await snapshot.execute("COMMIT")

        async with SYSTEM_CLOCK.timeout(20), anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(run, number)
        assert order == list(range(20))


async def test_a_cancelled_claim_leaves_its_place(database: Database) -> None:
    async with opened() as pools:
        pool, limits = pools.pool(database.dsn, most=1), pools.limits()
        async with anyio.create_task_group() as tasks, pool.claim(limits):
            scope = anyio.CancelScope()

            async def wait() -> None:
                with scope:
                    async with pool.claim(limits):
                        raise AssertionError

            tasks.start_soon(wait)
            await until(lambda: pool.waiting == 1)
            scope.cancel()
        async with pool.claim(limits) as claim, claim.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("kind", ["sleep", "stalled copy", "flowing copy"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
async def test_cancelled_it_ends_on_the_server_within_a_second(
    database: Database, kind: str, encrypted: bool
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    upstream = ("127.0.0.1", database.server.port)
    async with opened() as pools, front(upstream, tls=tls) as there:
        dsn = database.dsn
        if encrypted:
            dsn = dsn.replace(f":{database.server.port}", f":{there.port}") + "?sslmode=require"
        async with pools.pool(dsn).claim(pools.limits()) as claim:
            blocks = 0

            async def sink(_: bytes) -> None:
                nonlocal blocks
                blocks += 1
                if kind == "stalled copy":
                    await anyio.sleep_forever()

            work = sleeping(claim) if kind == "sleep" else copying(claim, sink)
            task = asyncio.create_task(work)
            await until(lambda: blocks > 0 or kind == "sleep")
            await until(lambda: len(database.statements()) == 1)
            began = SYSTEM_CLOCK.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: database.statements() == [])
            assert SYSTEM_CLOCK.monotonic() - began < 1.0
        if encrypted and kind != "flowing copy":  # which may end because its connection does
            assert there.cancels == 1


async def test_a_server_that_does_not_answer_holds_up_a_cancelled_run_for_a_moment_only(
    own_postgres: PostgresServer,
) -> None:
    async with opened() as pools, pools.pool(own_postgres.dsn).claim(pools.limits()) as claim:
        task = asyncio.create_task(sleeping(claim))
        database = Database(own_postgres, "postgres")
        await until(lambda: len(database.statements()) == 1)
        with own_postgres.frozen():
            began = SYSTEM_CLOCK.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert SYSTEM_CLOCK.monotonic() - began < CLOSE_SECONDS + 0.3


async def test_a_stalled_reader_holds_the_server_up_and_not_the_memory(
    database: Database,
) -> None:
    async with opened() as pools, pools.pool(database.dsn).claim(pools.limits()) as claim:
        blocks: list[int] = []

        async def sink(block: bytes) -> None:
            blocks.append(len(block))
            await anyio.sleep_forever()

        task = asyncio.create_task(copying(claim, sink))
        await until(lambda: stalled(database))
        await SYSTEM_CLOCK.sleep(0.2)
        assert len(blocks) == 1
        assert blocks[0] < 4 * 1024**2
        assert stalled(database)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert database.sessions() == []


async def test_closing_a_pool_closes_what_is_idle(database: Database) -> None:
    async with opened() as pools:
        pool = pools.pool(database.dsn)
        async with pool.claim(pools.limits(), 2) as claim:
            async with claim.connection(), claim.connection():
                pass
            assert opened_now(database) == 2
            await pool.aclose()
            assert opened_now(database) == 0
