"""Rows of a pipeline as an HTTP answer, read from the source while they are sent."""

from __future__ import annotations

import io
from typing import Any, Final, Protocol

import anyio
import msgspec
import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bronze_engine import BatchStream

__all__ = ["ARROW", "NDJSON", "RowsResponse", "first_of"]

ARROW: Final = "application/vnd.apache.arrow.stream"
NDJSON: Final = "application/x-ndjson"

_ROWS_AT_ONCE: Final = 1000
"""A few milliseconds of a thread, and some hundred KiB of an answer."""


async def first_of(stream: BatchStream, receive: Receive) -> pa.RecordBatch | None:
    """The first batch, awaited for as long as the client waits; None where there is none, and
    where the client has gone.

    Raises what the stream raises.
    """
    first: pa.RecordBatch | None = None
    error: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, receive, tasks.cancel_scope)
        try:
            first = await anext(stream, None)
        except Exception as exc:  # noqa: BLE001  # raised outside of the group
            error = exc
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error
    return first


async def _watch(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel what is done for a client once it has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class RowsResponse(Response):
    """Sends one batch after another; `send` waits while the client does not take them, and the
    stream then waits too, down to the source. A client that goes ends the reading.

    What fails after the first batch breaks the connection off: the status has been sent, and a
    whole answer would be taken for all of the rows.
    """

    def __init__(self, stream: BatchStream, first: pa.RecordBatch | None, media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._stream = stream
        self._first = first
        self._encoding: _Encoding = _Arrow() if media_type == ARROW else _Ndjson()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, receive, tasks.cancel_scope)
                await self._answer(send)
                tasks.cancel_scope.cancel()
        finally:
            await self._stream.aclose()

    async def _answer(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        if self._first is not None:
            await self._send(self._first, send)
            async for batch in self._stream:
                await self._send(batch, send)
        await send({"type": "http.response.body", "body": self._encoding.end(), "more_body": False})

    async def _send(self, batch: pa.RecordBatch, send: Send) -> None:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            rows = batch.slice(start, _ROWS_AT_ONCE)
            body = await run_in_threadpool(self._encoding.encode, rows)
            await send({"type": "http.response.body", "body": body, "more_body": True})


class _Encoding(Protocol):
    def encode(self, batch: pa.RecordBatch, /) -> bytes: ...
    def end(self) -> bytes: ...


class _Ndjson:
    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def encode(self, batch: pa.RecordBatch, /) -> bytes:
        return self._encoder.encode_lines(batch.to_pylist())

    def end(self) -> bytes:
        return b""


class _Arrow:
    """One IPC stream, which has one schema: a batch with other columns than the first is a fault.
    A pipeline whose `schema.columns` are typed and whose contract is frozen never has one."""

    def __init__(self) -> None:
        self._sink = io.BytesIO()
        self._writer: Any = None

    def encode(self, batch: pa.RecordBatch, /) -> bytes:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink, batch.schema)
        self._writer.write_batch(batch)
        return self._taken()

    def end(self) -> bytes:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink, pa.schema([]))
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        body = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return body
