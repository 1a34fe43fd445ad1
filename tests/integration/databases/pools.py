"""Pools and connectors by themselves, without an engine."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, final

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, Retry
from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.units import Duration, Secret
from bronze_engine.contracts import Limits
from bronze_engine.errors import BronzeError
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.postgres.connection import Connector, end
from bronze_engine.sources.postgres.pool import Pool
from bronze_engine.workers import Workers

__all__ = ["Pools", "opened", "refused"]


@final
class Pools:
    """Makes them for a connection string; quick to give up."""

    def __init__(self, workers: Workers) -> None:
        self.hidden: list[str] = []
        """What no log may hold, as connectors have said it."""
        self._workers = workers

    def connector(self, dsn: str | None = None, **keys: Any) -> Connector:
        config = PostgresConnection(name="db", dsn=None if dsn is None else Secret(dsn), **keys)
        return Connector(
            config, SYSTEM_CLOCK, self._workers, lambda _, secrets: self.hidden.extend(secrets)
        )

    def pool(self, dsn: str, most: int = 8) -> Pool:
        return Pool(self.connector(dsn), most)

    async def value(self, dsn: str | None, sql: str, **keys: Any) -> Any:
        """Connect, ask for one value, and leave."""
        connection = await self.connector(dsn, **keys).connect()
        try:
            return await connection.fetchval(sql)
        finally:
            await end(connection)

    def limits(self, attempts: int = 3) -> Limits:
        registry = LimitRegistry(SYSTEM_CLOCK, lambda _: None)
        retry = Retry(attempts=attempts, backoff=Duration(0.02))
        breaker = CircuitBreaker(failures=100)
        group = registry.group(
            "db", "Postgres", rate=None, retry=retry, breaker=breaker, concurrency=100
        )
        return group.limits()


@asynccontextmanager
async def opened() -> AsyncIterator[Pools]:
    """Fails where anything is left running behind it."""
    with Workers(2) as workers:
        yield Pools(workers)
    left = [task.get_coro() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    files = [coroutine.cr_code.co_filename for coroutine in left if inspect.iscoroutine(coroutine)]
    assert [file for file in files if "asyncpg" in file or "bronze_engine" in file] == []


async def refused(dsn: str | None = None, **keys: object) -> BronzeError | Transient:
    """What connecting raises."""
    async with opened() as pools:
        with pytest.raises((BronzeError, Transient)) as caught:
            await pools.value(dsn, "SELECT 1", **keys)
    for secret in ("hunter2", "p@ss", "p%40ss"):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value)
    assert isinstance(caught.value, BronzeError | Transient)
    return caught.value
