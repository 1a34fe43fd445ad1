"""An HTTP proxy in front of a real server, which does on the way what networks do.

    async with fault_proxy(azurite.origin) as proxy:
        proxy.fail(lose_answer, when=puts)

A fault is a coroutine that is given one exchange in place of its being passed on.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = [
    "Exchange",
    "Fault",
    "FaultProxy",
    "Request",
    "answer",
    "apply_then_answer",
    "corrupt",
    "cut_answer",
    "fault_proxy",
    "hang",
    "lose_answer",
    "lose_request",
    "meanwhile",
    "pass_on",
    "reset_in_body",
    "stall",
    "trickle",
]

_CHUNK = 64 * 1024


class Request(NamedTuple):
    """The head of a request."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


class Exchange:
    """One request on its way, and the means to do something about it."""

    def __init__(
        self,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: tuple[str, int],
    ) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.request = Request(method, target, headers)
        if not target.startswith("/"):  # as clients write it who know us to be a proxy
            path = target.partition("://")[2].partition("/")[2]
            head = head.replace(target.encode("latin-1"), f"/{path}".encode("latin-1"), 1)
        self.size_bytes = int(headers.get("content-length", "0"))
        self._head = head
        self._reader = reader
        self._writer = writer
        self._upstream = upstream
        self._body: bytes | None = None

    async def body(self) -> bytes:
        """The request's body, read to its end."""
        if self._body is None:
            self._body = await self._reader.readexactly(self.size_bytes)
        return self._body

    async def read_some(self) -> None:
        """The beginning of the body, and no more."""
        await self._reader.readexactly(min(self.size_bytes // 2, _CHUNK))

    async def ask(self, body: bytes) -> tuple[bytes, bytes]:
        """Have the server do it; its answer's head and body."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(self._head)
            writer.write(body)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return head, await _answer_body(head, self.request.method, reader)
        finally:
            writer.close()

    async def ask_half(self) -> None:
        """The server sees the beginning of the request's body, and its connection's end."""
        _, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(self._head)
            writer.write((await self.body())[: self.size_bytes // 2])
            await writer.drain()
        finally:
            writer.close()

    async def give(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def hang_up(self) -> None:
        """Close the connection in order."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection: the peer reads ECONNRESET."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Fault = Callable[[Exchange], Awaitable[None]]
Match = Callable[[Request], bool]


async def pass_on(exchange: Exchange) -> None:
    head, body = await exchange.ask(await exchange.body())
    await exchange.give(head + body)


async def lose_request(exchange: Exchange) -> None:
    """The request never reaches the server; the connection ends without an answer."""
    await exchange.body()
    exchange.hang_up()


async def lose_answer(exchange: Exchange) -> None:
    """It is done, and nobody is told."""
    await exchange.ask(await exchange.body())
    exchange.hang_up()


async def reset_in_body(exchange: Exchange) -> None:
    """The connection breaks while the request is being sent."""
    await exchange.read_some()
    exchange.reset()


async def cut_answer(exchange: Exchange) -> None:
    """Half of the answer's body arrives, or of its head where it has no body."""
    head, body = await exchange.ask(await exchange.body())
    await exchange.give(head + body[: len(body) // 2] if body else head[: len(head) // 2])
    exchange.hang_up()


async def trickle(exchange: Exchange) -> None:
    """The answer comes, a byte at a time."""
    head, body = await exchange.ask(await exchange.body())
    for byte in head + body:
        await exchange.give(bytes([byte]))
        await SYSTEM_CLOCK.sleep(0.02)


async def corrupt(exchange: Exchange) -> None:
    """One bit of the request's body is flipped on the way."""
    body = bytearray(await exchange.body())
    body[len(body) // 2] ^= 1
    head, answered = await exchange.ask(bytes(body))
    await exchange.give(head + answered)


async def hang(exchange: Exchange) -> None:
    """The request is read, and never answered."""
    await exchange.body()
    await asyncio.Event().wait()


async def stall(_: Exchange) -> None:
    """Not even the request is read."""
    await asyncio.Event().wait()


def answer(status: int, code: str = "", **headers: str) -> Fault:
    """Answer with an error in the server's place."""

    async def fault(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.give(_error(status, code, headers))

    return fault


def apply_then_answer(status: int, code: str = "", **headers: str) -> Fault:
    """It is done, and an error is told."""

    async def fault(exchange: Exchange) -> None:
        await exchange.ask(await exchange.body())
        await exchange.give(_error(status, code, headers))

    return fault


def meanwhile(action: Callable[[], Awaitable[object]]) -> Fault:
    """Something else happens before the request arrives."""

    async def fault(exchange: Exchange) -> None:
        body = await exchange.body()
        await action()
        head, answered = await exchange.ask(body)
        await exchange.give(head + answered)

    return fault


class FaultProxy:
    """Passes requests on, except those that a fault is set for. `seen` has them in order."""

    def __init__(self, upstream: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.seen: list[Request] = []
        self.port = 0
        self._tls = tls
        self._upstream = upstream
        self._faults: list[tuple[Fault, Match, int]] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def fail(
        self, fault: Fault, *, when: Match = lambda _: True, times: int = 1, after: int = 0
    ) -> None:
        """Do `fault` to the next `times` requests that match, once `after` of them have passed."""
        self._faults.extend((pass_on, when, 1) for _ in range(after))
        self._faults.append((fault, when, times))

    def heal(self) -> None:
        """From now on everything passes."""
        self._faults.clear()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if (task := asyncio.current_task()) is not None:
            self._talks.add(task)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(head, reader, writer, self._upstream)
                self.seen.append(exchange.request)
                await self._fault_for(exchange.request)(exchange)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            self._open.discard(writer)
            writer.close()

    def _fault_for(self, request: Request) -> Fault:
        for place, (fault, matches, times) in enumerate(self._faults):
            if matches(request):
                if times == 1:
                    del self._faults[place]
                else:
                    self._faults[place] = (fault, matches, times - 1)
                return fault
        return pass_on

    async def aclose(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks)


@asynccontextmanager
async def fault_proxy(
    origin: str, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultProxy]:
    """A proxy on a free loopback port in front of `origin` (http://host:port); with `tls` it
    is spoken to over https."""
    url = urlsplit(origin)
    assert url.hostname is not None
    assert url.port is not None
    proxy = FaultProxy((url.hostname, url.port), tls)
    listening = await asyncio.start_server(proxy.talk, "127.0.0.1", 0, ssl=tls)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.aclose()


def _error(status: int, code: str, headers: dict[str, str]) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>" if code else ""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if code:
        fields |= {"x-ms-error-code": code, "Content-Type": "application/xml"}
    fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n{body}".encode()


async def _answer_body(head: bytes, method: str, reader: asyncio.StreamReader) -> bytes:
    """As it comes over the wire, chunks with their sizes included."""
    fields = head.lower()
    status = int(head.split(b" ", 2)[1])
    if method == "HEAD" or status in (204, 304):
        return b""
    if b"transfer-encoding: chunked" in fields:
        pieces = []
        while True:
            line = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(line, 16) + 2)
            pieces += [line, chunk]
            if line.strip() == b"0":
                return b"".join(pieces)
    length = fields.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length or 0))
