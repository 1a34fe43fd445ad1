"""A proxy that cuts CopyData messages anew, and may change what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

__all__ = ["cutting"]


@asynccontextmanager
async def cutting(
    port: int, change: Callable[[bytes], bytes], size: int = 1000
) -> AsyncIterator[int]:
    """The port of a proxy to a server on loopback. The payloads of each few messages are joined,
    given to `change`, and sent on in messages of `size` bytes."""
    server = await asyncio.start_server(partial(_serve, port, change, size), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _serve(
    port: int,
    change: Callable[[bytes], bytes],
    size: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    upstream, onward = await asyncio.open_connection("127.0.0.1", port)
    tasks = [
        asyncio.create_task(_forward(reader, onward)),
        asyncio.create_task(_cut(upstream, writer, change, size)),
    ]
    with suppress(asyncio.CancelledError):
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    writer.close()
    onward.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _cut(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[bytes], bytes],
    size: int,
) -> None:
    held = b""
    while True:
        head = await reader.readexactly(5)
        body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
        if head[:1] == b"d":
            held += body
            if len(held) < 100_000:
                continue
        whole, held = change(held), b""
        for start in range(0, len(whole), size):
            piece = whole[start : start + size]
            writer.write(b"d" + (len(piece) + 4).to_bytes(4) + piece)
        if head[:1] != b"d":
            writer.write(head + body)
        await writer.drain()
