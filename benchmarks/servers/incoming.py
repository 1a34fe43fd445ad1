"""What arrives on one connection of a server that has no time for it.

Standard library only, blocking, one thread a connection.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

__all__ = ["Incoming"]

_BUFFER_BYTES: Final = 1024**2
_HEAD_BYTES: Final = 4096
"""Read at once where a head is expected: little of the body comes along and is copied."""


class Incoming:
    """The bytes of one connection: read to a mark, taken, or dropped by the kernel."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._drop = bytearray(_BUFFER_BYTES)
        self._held = bytearray()

    def until(self, mark: bytes) -> bytes:
        """What comes before the mark, which is dropped. Raises EOFError at the end."""
        searched = 0
        while (at := self._held.find(mark, searched)) < 0:
            searched = max(0, len(self._held) - len(mark))
            more = self._socket.recv(_HEAD_BYTES)
            if not more:
                raise EOFError
            self._held += more
        found = bytes(self._held[:at])
        del self._held[: at + len(mark)]
        return found

    def drop(self, size: int) -> None:
        size -= self._from_held(size)[0]
        while size > 0:
            got = self._socket.recv_into(self._drop, min(size, _BUFFER_BYTES), socket.MSG_TRUNC)
            if got == 0:
                raise EOFError
            size -= got

    def take(self, size: int) -> bytes:
        count, held = self._from_held(size)
        data = bytearray(size)
        data[:count] = held
        view = memoryview(data)[count:]
        while view:
            got = self._socket.recv_into(view)
            if got == 0:
                raise EOFError
            view = view[got:]
        return bytes(data)

    def body(self, headers: Mapping[str, str], *, keep: bool) -> tuple[bytes, int]:
        """A body and its length; without `keep` the bytes are dropped."""
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers.get("content-length", 0))
            return self._piece(length, keep=keep), length
        pieces, length = [], 0
        while size := int(self.until(b"\r\n").partition(b";")[0], 16):
            pieces.append(self._piece(size, keep=keep))
            self.until(b"\r\n")
            length += size
        while self.until(b"\r\n"):
            pass
        return b"".join(pieces), length

    def _from_held(self, size: int) -> tuple[int, bytes]:
        held = bytes(self._held[:size])
        del self._held[:size]
        return len(held), held

    def _piece(self, size: int, *, keep: bool) -> bytes:
        if keep:
            return self.take(size)
        self.drop(size)
        return b""
