"""One database for all runs of an engine: opened with its first session, closed with its last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

import adbc_driver_manager as adbc
import anyio
import pyarrow as pa

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.errors import ConfigError
from bronze_engine.sources.adbc.faults import Faults
from bronze_engine.sources.adbc.handles import ConnectionHandle, DatabaseHandle
from bronze_engine.sources.adbc.query import Query
from bronze_engine.sources.adbc.statement import Statement
from bronze_engine.workers import Workers

__all__ = ["Database", "Session"]


@final
class Session:
    """One connection, on the loop's side."""

    def __init__(
        self,
        handle: ConnectionHandle,
        workers: Workers,
        faults: Faults,
    ) -> None:
        self.dialect = handle.dialect
        self.vendor = handle.vendor
        """The database and its version, as the driver calls them."""
        self._handle = handle
        self._workers = workers
        self._faults = faults

    @asynccontextmanager
    async def query(self, query: Query, *, batch_rows: int | None = None) -> AsyncIterator[Result]:
        """Run a query; leave it to close its result, cancelled where it is not at its end.

        Raises Transient where it may be tried again, over another session, else a BronzeError.
        """
        assert self._handle.connection is not None  # noqa: S101  # it is open while it is lent
        is_file = self.dialect.is_file
        options = {}
        if batch_rows is not None:
            if self.dialect.batch_rows is None:  # of a library by its path nobody knew it before
                raise ConfigError(
                    f"source.batch_rows has no effect on {self.vendor}, whose driver cuts batches"
                    " as it likes; leave it out"
                )
            options[self.dialect.batch_rows] = str(batch_rows)
        statement = Statement(self._handle.connection, query.sql, query.parameters, options)
        try:
            try:
                schema = await self._workers.run(statement.execute, interrupt=statement.interrupt)
            except adbc.Error as exc:
                raise self._faults.of_asking(exc) from exc
            except (pa.ArrowException, OSError) as exc:
                raise self._faults.of_reading(exc, is_file=is_file) from exc
            yield Result(statement, schema, self._workers, self._faults, is_file=is_file)
        finally:
            with anyio.CancelScope(shield=True):
                await self._workers.run(statement.close)


@final
class Result:
    """What a query gives: an iterator over the driver's batches."""

    def __init__(
        self,
        statement: Statement,
        schema: pa.Schema,
        workers: Workers,
        faults: Faults,
        *,
        is_file: bool,
    ) -> None:
        self.schema = schema
        self._statement = statement
        self._workers = workers
        self._faults = faults
        self._is_file = is_file

    def __aiter__(self) -> Result:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        """The next batch of at least one row; nothing is fetched before it is asked for.

        Raises SliceLost where the connection broke, else a BronzeError.
        """
        while True:
            try:
                batch: pa.RecordBatch | None = await self._workers.run(
                    next,
                    self._statement,
                    None,
                    interrupt=self._statement.interrupt,
                    stage="fetch",
                )
            except (pa.ArrowException, OSError) as exc:
                raise self._faults.of_reading(exc, is_file=self._is_file) from exc
            if batch is None:
                raise StopAsyncIteration
            if batch.num_rows:
                return batch


@final
class Database:
    """Lends sessions, `max_connections` at once. Leave it when all have come back."""

    def __init__(self, connection: AdbcConnection, workers: Workers) -> None:
        self.faults = Faults(connection)
        self._workers = workers
        self._handle = DatabaseHandle(connection)
        self._seats = anyio.Semaphore(connection.max_connections)
        self._opening = anyio.Lock()
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
            connection = ConnectionHandle(self._handle)
            try:
                async with self._opening:
                    try:
                        await self._workers.run(connection.open)
                    except adbc.Error as exc:
                        raise self.faults.of_opening(exc) from exc
                yield Session(connection, self._workers, self.faults)
            finally:
                with anyio.CancelScope(shield=True):
                    try:
                        await self._workers.run(connection.close)
                    finally:
                        self._sessions -= 1  # not before: the database outlives its connections
                    await self._close_unused()

    async def _close_unused(self) -> None:
        """A file that is kept open keeps others from writing to it."""
        async with self._opening:
            if not self._sessions:
                await self._workers.run(self._handle.close)
