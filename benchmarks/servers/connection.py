"""HTTP/1.1 for servers that must cost next to nothing: GET requests, whole answers, kept alive.

A request is looked at by one regular expression. https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from typing import Final

__all__ = ["Asked", "Connection", "serve_connections", "whole"]

_REQUEST: Final = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")
_WRITE_BYTES: Final = 64 * 1024**2
"""What may wait for a slow reader before the server notices."""


class Connection(asyncio.Protocol):
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=_WRITE_BYTES)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        head, self._head = self._head, b""
        request = _REQUEST.match(head)
        if request is None:
            self.send(whole(b"{}", b"400 Bad Request"))
        else:
            self._asked(self, request[1], head)

    def send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


Asked = Callable[[Connection, bytes, bytes], None]
"""What a server makes of a request: its target and its whole head."""


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of JSON."""
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


async def serve_connections(asked: Asked) -> None:
    """Print the URL, and serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(asked), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    server.close()
