"""Is a driver there, does it open its database, and does that answer? Asked one by one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import final

from bronze_engine.clock import Clock
from bronze_engine.config.connection import AdbcConnection
from bronze_engine.errors import ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.model.probe import Probed, try_out
from bronze_engine.sources.adbc.database import Database, Session
from bronze_engine.sources.adbc.driver import find_driver
from bronze_engine.sources.adbc.query import Query
from bronze_engine.workers import Workers

__all__ = ["probe_adbc"]


async def probe_adbc(
    connection: AdbcConnection, workers: Workers, clock: Clock
) -> tuple[Probed, ...]:
    """Find the driver, open the database, ask it for a number; nothing is tried twice.

    Never raises for what it finds. Nothing that it says shows the uri or an option.
    """
    async with Database(connection, workers) as database, AsyncExitStack() as stack:
        probe = _Probe(connection, database, workers, stack)
        results: list[Probed] = []
        for subject, question in (
            ("driver", probe.find),
            ("connection", probe.connect),
            ("query", probe.ask),
        ):
            results.append(await try_out(subject, question, clock))
            if results[-1].status == "FAIL":
                break
    return tuple(results)


@final
class _Probe:
    def __init__(
        self,
        connection: AdbcConnection,
        database: Database,
        workers: Workers,
        stack: AsyncExitStack,
    ) -> None:
        self._connection = connection
        self._database = database
        self._workers = workers
        self._stack = stack
        self._session: Session

    async def find(self) -> str:
        driver = await self._workers.run(find_driver, self._connection)
        return f"{driver.name} is installed"

    async def connect(self) -> str:
        try:
            self._session = await self._stack.enter_async_context(self._database.session())
        except Transient as exc:
            raise ExtractError(f"{exc.reason}; check that the database is there") from exc
        return self._session.vendor or "it opens, and does not say what it is"

    async def ask(self) -> str:
        sql = "SELECT 1"
        try:
            async with self._session.query(Query(sql)) as result:
                async for batch in result:
                    return f"{sql} gives {batch.column(0)[0].as_py()}"
        except Transient as exc:
            raise ExtractError(f"{exc.reason}; the database is there, try later") from exc
        except SliceLost as exc:
            raise ExtractError(f"{exc}; the database is there, try later") from exc
        raise ExtractError(f"connections.{self._connection.name}: {sql} gives no row")
