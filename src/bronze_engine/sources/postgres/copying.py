"""The bytes of one COPY, as blocks of whole rows.

asyncpg gives its callback what has come so far: the payloads of whole CopyData messages, one
behind the other, and the server sends one row a message. It reads no further from the socket
while the callback runs, so who takes the blocks slowly is felt by the server, which then waits
in ClientWrite.

The server flushes its buffer every 8 KiB. A reader that is woken for each flush pays for the
event loop and asyncpg's future each time; so after a small read it looks away for a moment,
and finds the socket's buffer full.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, final

import asyncpg

from bronze_engine.clock import Clock

__all__ = ["HandOn", "NotCopy", "copy_out"]

HandOn = Callable[[bytearray], Awaitable[None]]
"""Takes whole rows, without the file's header; returns when they are accepted."""

SMALL_BYTES: Final = 64 * 1024
PAUSE_SECONDS: Final = 0.001

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_FIXED_HEADER: Final = len(_SIGNATURE) + 8
_TRAILER: Final = b"\xff\xff"


async def copy_out(connection: asyncpg.Connection, sql: str, hand_on: HandOn, clock: Clock) -> None:
    """Read all rows of a query. Raises what asyncpg raises, and NotCopy for other bytes."""
    intake = _Intake(hand_on, clock)
    await connection.copy_from_query(sql, output=intake, format="binary")
    await intake.finish()


class NotCopy(Exception):
    """What came does not begin or end as COPY BINARY does; it holds the first bytes."""


@final
class _Intake:
    """The callback of one COPY."""

    def __init__(self, hand_on: HandOn, clock: Clock) -> None:
        self._hand_on = hand_on
        self._clock = clock
        self._head: bytearray | None = bytearray()
        """What has come of the file's header; None once it is whole."""
        self._last: bytearray | None = None
        """Rows that end as the file does: whether that is its end shows when no more come."""

    async def __call__(self, chunk: bytearray) -> None:
        size = len(chunk)
        if self._head is not None:
            self._head += chunk
            chunk = self._without_header(self._head)
        if chunk:
            last, self._last = self._last, None
            if last is not None:
                await self._hand_on(last)
            if chunk.endswith(_TRAILER):
                self._last = chunk
            else:
                await self._hand_on(chunk)
        if size < SMALL_BYTES:
            await self._clock.sleep(PAUSE_SECONDS)

    async def finish(self) -> None:
        """Hand on what is left, without the trailer. Raises NotCopy where there is none."""
        last = self._last
        if last is None:
            raise NotCopy(bytes(self._head or b""))
        del last[-len(_TRAILER) :]
        if last:
            await self._hand_on(last)

    def _without_header(self, head: bytearray) -> bytearray:
        """The rows behind the header; nothing while it is not whole."""
        if head[: len(_SIGNATURE)] != _SIGNATURE[: len(head)]:
            raise NotCopy(bytes(head[:32]))
        if len(head) < _FIXED_HEADER:
            return bytearray()
        extension = int.from_bytes(head[_FIXED_HEADER - 4 : _FIXED_HEADER])
        if len(head) < _FIXED_HEADER + extension:
            return bytearray()
        del head[: _FIXED_HEADER + extension]
        self._head = None
        return head
