"""What stands in front of a PostgreSQL server: TLS, or something that is none of it.

The wheel's servers are built without TLS. Here it is ended on the way, as poolers and cloud
proxies do.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, final

import anyio

__all__ = ["Front", "front"]

TLS_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x2f"
CANCEL_CODE: Final = b"\x04\xd2\x16\x2e"


@final
class Front:
    """A listener that is up. `answer` is what it says to a client that asks for TLS."""

    def __init__(
        self, upstream: tuple[str, int], tls: ssl.SSLContext | None, answer: bytes
    ) -> None:
        self.port = 0
        self.encrypted = 0
        """Connections that were."""
        self.cancels = 0
        """Requests to cancel that came encrypted."""
        self._upstream = upstream
        self._tls = tls
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                await self._serve(reader, writer)
            finally:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        if first == TLS_REQUEST:
            writer.write(self._answer)
            await writer.drain()
            if self._answer not in (b"S", b"N"):
                return
            if self._answer == b"S":
                assert self._tls is not None
                await writer.start_tls(self._tls)
                self.encrypted += 1
            first = await reader.readexactly(8)
            self.cancels += self._answer == b"S" and first[4:] == CANCEL_CODE
        upstream, onward = await asyncio.open_connection(*self._upstream)
        onward.write(first)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pipe, reader, onward)
            tasks.start_soon(_pipe, upstream, writer)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(256 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def front(
    upstream: tuple[str, int], *, tls: ssl.SSLContext | None = None, answer: bytes = b"S"
) -> AsyncIterator[Front]:
    """A listener on a free port of 127.0.0.1 that passes on to `upstream`."""
    made = Front(upstream, tls, answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
