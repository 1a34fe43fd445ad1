"""The connections of one database, shared by all pipelines of an engine.

A run claims what it will use before it uses any: who holds one connection never waits for a
second, so that runs that wait for each other can't come to be.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

import anyio
import asyncpg

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.address import Address
from bronze_engine.contracts import Limits, Resources
from bronze_engine.sources.postgres.connection import Connector, abandon, end
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS

__all__ = ["Claim", "Pool", "shared_pool"]

log = logging.getLogger(__name__)


@final
class Pool:
    """At most `most` connections at once, handed out first come, first served."""

    def __init__(self, connector: Connector, most: int) -> None:
        self._connector = connector
        self._slots = anyio.Semaphore(most, max_value=most)
        self._idle: list[asyncpg.Connection] = []
        self._claims = 0

    @property
    def address(self) -> Address:
        return self._connector.address

    @property
    def waiting(self) -> int:
        """Claims that wait for their turn."""
        return self._slots.statistics().tasks_waiting

    @asynccontextmanager
    async def claim(self, limits: Limits, most: int = 1) -> AsyncIterator[Claim]:
        """The right to use connections: one for sure, as soon as one is free, and up to
        `most`, as far as they are free then. Nothing is connected yet.

        `limits` are those of the connection's group, for the pipeline that claims.
        """
        if self._slots.value == 0:
            log.info(
                "%s: all %d connections (max_connections) are taken; waiting for one",
                self._connector.describe(),
                self._slots.max_value,
            )
        await self._slots.acquire()
        self._claims += 1
        claim = Claim(self, limits)
        try:
            claim.widen(most)
            yield claim
        finally:
            self._claims -= 1
            try:
                if self._claims == 0:
                    # Nobody is there who would soon want one; none lies about and grows stale.
                    await self.aclose()
            finally:
                for _ in range(claim.size):
                    self._slots.release()

    def take_slot(self) -> bool:
        """Count one connection more, if one is free. For `Claim`."""
        if self._slots.value == 0:
            return False
        self._slots.acquire_nowait()
        return True

    async def aclose(self) -> None:
        """Close what is idle."""
        idle, self._idle = self._idle, []
        await end(*idle)

    async def take(self, limits: Limits) -> asyncpg.Connection:
        """One that is idle and alive, else a new one. For `Claim`."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.execute("SELECT 1", timeout=self.address.connect_timeout_seconds)
            except BaseException as exc:
                await abandon(connection)
                if not isinstance(exc, DATABASE_ERRORS):
                    raise
                continue  # it was ended while it was idle
            return connection
        return await limits.call(
            self._connector.connect, describe=f"connecting to {self._connector.describe()}"
        )

    def give_back(self, connection: asyncpg.Connection) -> None:
        """Keep one that is clean for the next. For `Claim`."""
        self._idle.append(connection)


@final
class Claim:
    """Connections that one run may use."""

    def __init__(self, pool: Pool, limits: Limits) -> None:
        self.size = 1
        """How many may be open at once."""
        self._pool = pool
        self._limits = limits
        self._seats = anyio.Semaphore(1)

    def widen(self, most: int) -> None:
        """Claim up to `most` in all, as far as they are free now; waits for none."""
        while self.size < most and self._pool.take_slot():
            self.size += 1
            self._seats.release()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection, as soon as one of the claim is free.

        Left in an orderly way and outside of a transaction it serves the next; else it is
        ended, after what runs on it was cancelled on the server. Raises RetryError where the
        attempts to connect are spent, or what no attempt would change.
        """
        async with self._seats:
            connection = await self._pool.take(self._limits)
            try:
                yield connection
            except BaseException:
                await abandon(connection)
                raise
            if connection.is_closed() or connection.is_in_transaction():
                await end(connection)
            else:
                self._pool.give_back(connection)


async def shared_pool(config: PostgresConnection, resources: Resources) -> Pool:
    """The pool of a connection, opened by the first run and closed with the engine."""
    key = f"postgres {config.name} {config.max_connections}"
    return await resources.share(key, lambda: _opened(config, resources))


@asynccontextmanager
async def _opened(config: PostgresConnection, resources: Resources) -> AsyncIterator[Pool]:
    connector = Connector(config, resources.clock, resources.workers, resources.hide)
    pool = Pool(connector, config.max_connections)
    try:
        yield pool
    finally:
        await pool.aclose()
