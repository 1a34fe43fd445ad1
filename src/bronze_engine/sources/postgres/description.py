"""What a query gives, learnt without running it: names, types and type modifiers.

The server answers a Describe with a RowDescription message that says all three. asyncpg keeps
the names and types and drops the modifiers, without which numeric(18,4) is a number of any
size; and SQL has no function that tells them: pg_typeof() and query_to_xmlschema() leave them
out, pg_prepared_statements lists types alone, and a temporary view, whose columns the
catalogue would list, can't be made in a READ ONLY transaction or on a standby. So the message
itself is read while asyncpg prepares the statement.

https://www.postgresql.org/docs/current/protocol-message-formats.html (RowDescription)
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final, NamedTuple, final

import asyncpg

__all__ = ["Described", "describe", "parse_description"]

_HEADER: Final = struct.Struct("!ci")
_COLUMN: Final = struct.Struct("!ihIhih")


class Described(NamedTuple):
    """One column of a query."""

    name: str
    type_id: int
    modifier: int
    """-1 for none."""


async def describe(connection: asyncpg.Connection, query: str) -> tuple[Described, ...] | None:
    """The columns of the query; None where it gives no rows. Raises what asyncpg raises."""
    transport, protocol = connection._transport, connection._protocol  # noqa: SLF001
    tap = _Tap(protocol)
    transport.set_protocol(tap)
    try:
        await connection.prepare(query)
    finally:
        transport.set_protocol(protocol)
    return parse_description(bytes(tap.seen))


def parse_description(messages: bytes) -> tuple[Described, ...] | None:
    """The first RowDescription among a server's messages; None where it says NoData."""
    place = 0
    while True:
        kind, length = _HEADER.unpack_from(messages, place)
        place += _HEADER.size
        if kind == b"T":
            return tuple(_columns(messages, place))
        if kind == b"n":
            return None
        place += length - 4


def _columns(message: bytes, place: int) -> list[Described]:
    (count,) = struct.unpack_from("!h", message, place)
    place += 2
    columns: list[Described] = []
    for _ in range(count):
        end = message.index(b"\0", place)
        name = message[place:end].decode()
        _, _, type_id, _, modifier, _ = _COLUMN.unpack_from(message, end + 1)
        columns.append(Described(name, type_id, modifier))
        place = end + 1 + _COLUMN.size
    return columns


@final
class _Tap(asyncio.Protocol):
    """Hands all on to the protocol behind it, and keeps what the server has said."""

    def __init__(self, behind: asyncio.Protocol) -> None:
        self._behind = behind
        self.seen = bytearray()

    def data_received(self, data: bytes) -> None:
        self.seen += data
        self._behind.data_received(data)

    def eof_received(self) -> bool | None:
        return self._behind.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._behind.connection_lost(exc)

    def pause_writing(self) -> None:
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        self._behind.resume_writing()
