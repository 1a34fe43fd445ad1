"""A forward proxy of a few lines: CONNECT for TLS, whole URLs for plain HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

__all__ = ["Proxy", "connect_proxy"]


class Proxy:
    """On loopback. `asked` holds the first line of every request, `refused` those without the
    password, if one is wanted."""

    def __init__(self, user: str | None, to: int | None) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.refused: list[str] = []
        self._wanted = None if user is None else base64.b64encode(user.encode()).decode()
        self._to = to
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one of the two is gone, or the test is over
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first = head.split(b"\r\n")[0].decode()
        if self._wanted is not None and f"Basic {self._wanted}".encode() not in head:
            self.refused.append(first)
            writer.write(b"HTTP/1.1 407 Denied\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.asked.append(first)
        method, target, _ = first.split(" ")
        netloc = target if method == "CONNECT" else urlsplit(target).netloc
        host, _, port = netloc.rpartition(":")
        if self._to is not None:
            host, port = "127.0.0.1", str(self._to)
        there_in, there_out = await asyncio.open_connection(host, int(port))
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                there_out.write(head)
            await asyncio.gather(_pass(reader, there_out), _pass(there_in, writer))
        finally:
            there_out.close()

    async def aclose(self) -> None:
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def connect_proxy(user: str | None = None, to: int | None = None) -> AsyncIterator[Proxy]:
    """`user` is "name:password" where the proxy wants one; `to` is a port of loopback that
    stands for every host."""
    proxy = Proxy(user, to)
    listening = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.aclose()
