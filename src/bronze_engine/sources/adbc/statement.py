"""One statement of a connection, and the batches that come of it. Runs in workers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import final

import adbc_driver_manager as adbc
import pyarrow as pa

from bronze_engine.model.arrow import Array

__all__ = ["Statement"]


@final
class Statement:
    """A query on its way: one method at a time, each in a worker, but `interrupt`.

    The driver lets go of the interpreter while it works, and fetches nothing between two
    calls of `next`: what it holds meanwhile is its own.
    """

    def __init__(
        self,
        connection: adbc.AdbcConnection,
        sql: str,
        parameters: Sequence[Array] = (),
        options: dict[str, str] | None = None,
    ) -> None:
        self._connection = connection
        self._statement: adbc.AdbcStatement | None = None
        self._sql = sql
        self._parameters = parameters
        self._options = options or {}
        self._reader: pa.RecordBatchReader | None = None
        self._is_whole = False

    def execute(self) -> pa.Schema:
        """Run the query; returns the columns of its result. Raises adbc.Error."""
        self._statement = statement = adbc.AdbcStatement(self._connection)
        if self._options:
            statement.set_options(**self._options)
        statement.set_sql_query(self._sql)
        if self._parameters:
            statement.prepare()
            names = [str(number) for number, _ in enumerate(self._parameters, 1)]
            statement.bind(pa.RecordBatch.from_arrays(list(self._parameters), names))
        stream, _ = statement.execute_query()
        self._reader = pa.RecordBatchReader.from_stream(stream)
        return self._reader.schema

    def __iter__(self) -> Statement:
        return self

    def __next__(self) -> pa.RecordBatch:
        """The next batch, as the driver cut it. Raises pa.ArrowException and OSError."""
        if self._reader is None:
            raise StopIteration
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            self._is_whole = True
            raise

    def interrupt(self) -> None:
        """End what is going on, from any thread, at once. A driver that can't is waited for."""
        if self._statement is not None:
            with suppress(adbc.Error):
                self._statement.cancel()

    def close(self) -> None:
        """Give all of it back to the driver; what is still under way is cancelled first.

        Raises nothing: a connection that is lost has closed its statements.
        """
        if self._statement is None:
            return
        if not self._is_whole:
            self.interrupt()
        with suppress(adbc.Error, pa.ArrowException, OSError):
            if self._reader is not None:
                self._reader.close()
        with suppress(adbc.Error):
            self._statement.close()
        self._statement = None
