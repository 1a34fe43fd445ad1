"""One run's DuckDB: SQL in, rows or Arrow batches out; all of it in workers.

Nothing outside of its spill folder and the folders that it was given can be read, no extension
is loaded, no network is there, and its settings are locked before the first statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, final

import duckdb
import pyarrow as pa

from bronze_engine.silver.database.fault import duckdb_fault
from bronze_engine.silver.database.sql import exactly, identifier, literal
from bronze_engine.silver.database.types import restored
from bronze_engine.workers import Workers

__all__ = ["Database"]

BATCH_ROWS: Final = 65_536
BATCH_BYTES: Final = 4 * 1024**2
"""A batch that is handed on has at least one of the two, or is the last."""
_READ_ROWS: Final = 2_048
"""Of what DuckDB makes at once: one of its vectors, for rows may be large."""
BYTES_A_THREAD: Final = 128 * 1024**2
"""Two threads that sort 20 million rows of eight columns need 256 MiB, one 128 MiB (DuckDB 2.0.1,
measured); with less, a second thread is what is missing in memory."""
BEYOND_BYTES: Final = 80 * 1024**2
"""What DuckDB holds above the limit that it is given: batches on their way out, and what its
allocator keeps. 50 to 70 MiB, of limits of 64 to 256 MiB (measured)."""
_BUFFER: Final = "streaming_buffer_size"
_BUFFERED: Final = "1MB"
"""Of rows that nobody has asked for yet; DuckDB's own 10 MB would lie beyond the limit."""
_AGAIN_SECONDS: Final = 0.05
_DUCKDB_FOLDER: Final = "duckdb"


@final
class Database:
    """DuckDB in memory, for one run: `async with`.

    `spill` is the run's own folder (`open_spill`); `readable` are the folders whose files may be
    named in SQL beside it. Each statement has a connection of its own, so they may run side by
    side; tables and views are seen by all of them, unless they are TEMP.
    """

    def __init__(
        self,
        workers: Workers,
        spill: Path,
        *,
        memory_bytes: int,
        threads: int = 2,
        readable: Sequence[str] = (),
    ) -> None:
        self._workers = workers
        self._spill = spill
        self._memory_bytes = memory_bytes
        self._threads = max(1, min(threads, memory_bytes // BYTES_A_THREAD))
        self._readable = tuple(readable)
        self._connection: duckdb.DuckDBPyConnection | None = None

    async def __aenter__(self) -> Database:
        try:
            await self._workers.run(self._open)
        except BaseException:  # cancelled, it may be open all the same
            await self._close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._close()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._workers.clean(connection.close)

    async def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows: for small answers.

        Cancelled, the statement is interrupted, and is over when this raises. Raises ConfigError
        where memory and spill space do not suffice, StoreError where a disk or a file fails.
        """
        query = _Query(self._cursor())
        return await self._workers.run(self._fetch, query, sql, parameters, interrupt=query.stop)

    def batches(
        self, sql: str, *, schema: pa.Schema
    ) -> AbstractAsyncContextManager[AsyncIterator[pa.RecordBatch]]:
        """The rows of a SELECT as batches of exactly `schema`, by place.

        Of about 64k rows or 4 MB; in the order of the query where it has one. What leaves DuckDB
        in another type is cast, without loss. Errors and cancellation as for `execute`.
        """
        return self._batches(sql, schema)

    @asynccontextmanager
    async def _batches(
        self, sql: str, schema: pa.Schema
    ) -> AsyncIterator[AsyncIterator[pa.RecordBatch]]:
        query = _Query(self._cursor())
        steps = self._steps(query, sql, schema)
        try:
            async with self._workers.iterate(steps, interrupt=query.stop) as batches:
                yield batches
        finally:
            query.is_over = True

    def _open(self) -> None:
        self._connection = connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_persistent_secrets": "false",
                "memory_limit": f"{self._memory_bytes}B",
                "threads": str(self._threads),
                "temp_directory": str(self._spill / _DUCKDB_FOLDER),
            },
        )
        for name, value in _SETTINGS:
            connection.execute(f"SET GLOBAL {identifier(name)} = {literal(value)}")
        paths = [str(path) for path in (self._spill, *self._readable)]
        paths.append(exactly(str(self._spill)))  # a pattern is looked at as it stands, too
        folders = ", ".join(literal(f"{path}/") for path in paths)
        connection.execute(f"SET allowed_directories = [{folders}]")
        connection.execute("SET enable_external_access = false")
        connection.execute(f"SET allowed_configs = [{literal(_BUFFER)}]")
        connection.execute("SET lock_configuration = true")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise RuntimeError("the database is not open")
        return self._connection.cursor()

    def _fetch(
        self, query: _Query, sql: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        try:
            return query.cursor.execute(sql, list(parameters)).fetchall()
        except duckdb.Error as exc:
            raise self._fault(exc) from exc
        finally:
            query.close()

    def _steps(self, query: _Query, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            query.cursor.execute(f"SET {identifier(_BUFFER)} = {literal(_BUFFERED)}")
            with query.cursor.sql(sql).to_arrow_reader(_READ_ROWS) as reader:
                for batch in _gathered(reader):
                    yield restored(batch, schema)
        except (duckdb.Error, OSError) as exc:
            raise self._fault(exc) from exc
        finally:
            query.close()

    def _fault(self, exc: duckdb.Error | OSError) -> Exception:
        fault = duckdb_fault(exc, memory_bytes=self._memory_bytes, spill=self._spill)
        return exc if fault is None else fault


_SETTINGS: Final[tuple[tuple[str, str | bool], ...]] = (
    ("TimeZone", "UTC"),
    ("preserve_insertion_order", False),
    # Statistics of Parquet know nothing of NaN: `x > 5` would pass over row groups that hold it.
    ("parquet_can_have_nan", True),
    # Names in SQL are never those of Python's variables.
    ("python_enable_replacements", False),
)


@final
class _Query:
    """A statement and its connection. `stop` may come before DuckDB has begun, which forgets it:
    so it is said again until the statement is over."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor
        self.is_over = False

    def stop(self) -> None:
        if not self.is_over:
            self.cursor.interrupt()
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self.stop)

    def close(self) -> None:
        self.is_over = True
        self.cursor.close()


def _gathered(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Small batches together, until they are worth a turn of the loop."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            yield from _together(held)
            held, rows, size = [], 0, 0
    if held:
        yield from _together(held)


def _together(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """One, or more where a column has more bytes than one can hold."""
    return pa.Table.from_batches(batches).combine_chunks().to_batches()
