"""One database for all runs of an engine: opened with its first session, closed with its last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import final

import adbc_driver_manager as adbc
import anyio
import pyarrow as pa

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.sources.adbc.dialect import GENERIC, Dialect, dialect_of
from bronze_engine.sources.adbc.driver import Driver, find_driver
from bronze_engine.sources.adbc.faults import Faults
from bronze_engine.sources.adbc.query import Query
from bronze_engine.sources.adbc.statement import Statement
from bronze_engine.workers import Workers

__all__ = ["Database", "Session"]


@final
class Session:
    """One connection, in a transaction that changes nothing where the database has them."""

    def __init__(
        self,
        connection: adbc.AdbcConnection,
        driver: Driver,
        dialect: Dialect,
        vendor: str,
        workers: Workers,
        faults: Faults,
    ) -> None:
        self.dialect = dialect
        self.vendor = vendor
        """The database and its version, as the driver calls them."""
        self._connection = connection
        self._driver = driver
        self._workers = workers
        self._faults = faults

    @asynccontextmanager
    async def query(self, query: Query, *, batch_rows: int | None = None) -> AsyncIterator[Result]:
        """Run a query; leave it to close its result, cancelled where it is not at its end.

        Raises Transient where it may be tried again, over another session, else a BronzeError.
        """
        options = {}
        if batch_rows is not None and self.dialect.batch_rows is not None:
            options[self.dialect.batch_rows] = str(batch_rows)
        statement = await self._workers.run(
            Statement, self._connection, query.sql, query.parameters, options
        )
        try:
            schema = await self._workers.run(statement.execute, interrupt=statement.interrupt)
            yield Result(statement, schema, self._workers, self._driver, self._faults)
        except adbc.Error as exc:
            raise self._faults.of_asking(exc) from exc
        finally:
            with anyio.CancelScope(shield=True):
                await self._workers.run(_closed, statement)


@final
class Result:
    """What a query gives: an iterator over the driver's batches."""

    def __init__(
        self,
        statement: Statement,
        schema: pa.Schema,
        workers: Workers,
        driver: Driver,
        faults: Faults,
    ) -> None:
        self.schema = schema
        self._statement = statement
        self._workers = workers
        self._driver = driver
        self._faults = faults

    def __aiter__(self) -> Result:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        """The next batch of at least one row; nothing is fetched before it is asked for.

        Raises SliceLost where the connection broke, else a BronzeError.
        """
        while True:
            try:
                batch: pa.RecordBatch | None = await self._workers.run(
                    next, self._statement, None, interrupt=self._statement.interrupt
                )
            except (pa.ArrowException, OSError) as exc:
                raise self._faults.of_reading(exc, is_file=self._driver.is_file) from exc
            if batch is None:
                raise StopAsyncIteration
            if batch.num_rows:
                return batch


@final
class Database:
    """Lends sessions, `max_connections` at once. Leave it when all have come back."""

    def __init__(self, connection: AdbcConnection, workers: Workers) -> None:
        self.faults = Faults(connection)
        self._config = connection
        self._workers = workers
        self._seats = anyio.Semaphore(connection.max_connections)
        self._opening = anyio.Lock()
        self._opened: tuple[adbc.AdbcDatabase, Driver] | None = None
        self._sessions = 0

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._close_unused()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection of its own; waits while all are lent.

        Raises Transient where opening it may be tried again, else a BronzeError.
        """
        async with self._seats:
            self._sessions += 1
            try:
                session, connection = await self._connect()
                try:
                    yield session
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._workers.run(_leave, connection)
            finally:
                self._sessions -= 1
                with anyio.CancelScope(shield=True):
                    await self._close_unused()

    async def _connect(self) -> tuple[Session, adbc.AdbcConnection]:
        async with self._opening:
            try:
                if self._opened is None:
                    self._opened = await self._workers.run(_open, self._config)
                database, driver = self._opened
                connection, vendor = await self._workers.run(_connected, database)
            except adbc.Error as exc:
                raise self.faults.of_opening(exc) from exc
        dialect = dialect_of(driver.name)
        if dialect is GENERIC:
            dialect = dialect_of(vendor.partition(" ")[0])
        try:
            await self._workers.run(_begin, connection, dialect)
        except BaseException as exc:
            with anyio.CancelScope(shield=True):
                await self._workers.run(_leave, connection)
            if isinstance(exc, adbc.Error):
                raise self.faults.of_opening(exc) from exc
            raise
        session = Session(connection, driver, dialect, vendor, self._workers, self.faults)
        return session, connection

    async def _close_unused(self) -> None:
        """A file that is kept open keeps others from writing to it."""
        async with self._opening:
            if self._opened is not None and not self._sessions:
                (database, _), self._opened = self._opened, None
                await self._workers.run(database.close)


def _open(config: AdbcConnection) -> tuple[adbc.AdbcDatabase, Driver]:
    driver = find_driver(config)
    options = dict(driver.options)
    if driver.entrypoint is not None:
        options["entrypoint"] = driver.entrypoint
    return adbc.AdbcDatabase(driver=driver.library, **options), driver


def _connected(database: adbc.AdbcDatabase) -> tuple[adbc.AdbcConnection, str]:
    connection = adbc.AdbcConnection(database)
    return connection, _vendor(connection)


def _vendor(connection: adbc.AdbcConnection) -> str:
    """What the driver calls its database, with the version; empty where it does not tell."""
    codes: list[int | adbc.AdbcInfoCode] = [
        adbc.AdbcInfoCode.VENDOR_NAME,
        adbc.AdbcInfoCode.VENDOR_VERSION,
    ]
    try:
        rows = pa.RecordBatchReader.from_stream(connection.get_info(codes)).read_all().to_pylist()
    except (adbc.Error, pa.ArrowException, OSError):
        return ""
    said = {row["info_name"]: str(row["info_value"]) for row in rows}
    return " ".join(said[code] for code in codes if said.get(code))


def _begin(connection: adbc.AdbcConnection, dialect: Dialect) -> None:
    for sql in dialect.session:
        statement = Statement(connection, sql)
        try:
            statement.execute()
        finally:
            statement.close()
    # What is read in one run is from one transaction then; how much that is worth, the database
    # says: a snapshot in SQLite and DuckDB. A driver without transactions says so.
    with suppress(adbc.NotSupportedError):
        connection.set_autocommit(False)


def _leave(connection: adbc.AdbcConnection) -> None:
    """End the transaction and the connection; a connection that is lost has ended both."""
    with suppress(adbc.Error):
        connection.rollback()
    with suppress(adbc.Error):
        connection.close()


def _closed(statement: Statement) -> None:
    """Close it; a connection that is lost has closed it."""
    with suppress(adbc.Error, pa.ArrowException, OSError):
        statement.close()
