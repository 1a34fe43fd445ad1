"""TLS in front of a server that is built without it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["tls_front"]


@asynccontextmanager
async def tls_front(upstream: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of 127.0.0.1 at which TLS ends and all else goes on to `upstream`."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, onward = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(copy(reader, onward), copy(back, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
