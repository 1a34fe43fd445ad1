"""The bytes of one COPY, as blocks of whole rows.

asyncpg gives its callback what has come so far: the payloads of whole CopyData messages, one
behind the other, and the server sends one row a message. It reads no further from the socket
while the callback runs, so who takes the blocks slowly is felt by the server, which then waits
in ClientWrite.

The server flushes its buffer every 8 KiB. A reader that is woken for each flush pays for the
event loop and asyncpg's future each time; so after a small read it looks away for a moment,
and finds the socket's buffer full. For 406 MiB of TPC-H's lineitem on loopback that makes 2,700
calls of 17,000, and takes 0.4 CPU-s instead of 0.6; a longer pause or larger reads bring no more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, final

import asyncpg

from bronze_engine.clock import Clock
from bronze_engine.sources.copy_binary.framing import TRAILER, BrokenFraming
from bronze_engine.sources.copy_binary.walk import Walker
from bronze_engine.telemetry.profile import Repeated
from bronze_engine.workers import Workers

__all__ = ["HandOn", "copy_cut", "copy_out"]

HandOn = Callable[[bytes], Awaitable[None]]
"""Takes bytes behind the file's header; returns when they are accepted."""

SMALL_BYTES: Final = 64 * 1024
"""A read below this is followed by a pause. Where more comes meanwhile (64 MB/s) there is none."""
PAUSE_SECONDS: Final = 0.001

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_FIXED_HEADER: Final = len(_SIGNATURE) + 8


async def copy_out(connection: asyncpg.Connection, sql: str, hand_on: HandOn, clock: Clock) -> None:
    """Read all rows of a query: whole rows a call without the trailer, as long as the server
    sends a row a message.

    Raises what asyncpg raises, and BrokenFraming for bytes that do not begin or end as a COPY.
    """
    await _Intake(hand_on, clock).read(connection, sql)


async def copy_cut(
    connection: asyncpg.Connection,
    sql: str,
    hand_on: HandOn,
    clock: Clock,
    workers: Workers,
    columns: int,
) -> None:
    """As `copy_out`, wherever the messages end: the slow path, which looks at each field."""
    walker = Walker(columns)

    async def walk(chunk: bytes) -> None:
        rows = await workers.run(walker.feed, chunk, stage="split")
        if rows:
            await hand_on(rows)

    await _Intake(walk, clock, is_cut=True).read(connection, sql)
    walker.finish()


@final
class _Intake:
    """The callback of one COPY."""

    def __init__(self, hand_on: HandOn, clock: Clock, *, is_cut: bool = False) -> None:
        # asyncpg's chunks are bytearrays that nobody writes to: bytes but for the type's name.
        self._hand_on: Callable[[Any], Awaitable[None]] = hand_on
        self._clock = clock
        self._is_cut = is_cut
        self._head: bytearray | None = bytearray()
        """What has come of the file's header; None once it is whole."""
        self._last: bytearray | None = None
        """Rows that end as the file does: whether that is its end shows when no more come."""
        self._waiting = Repeated("fetch")

    async def read(self, connection: asyncpg.Connection, sql: str) -> None:
        with self._waiting:
            await connection.copy_from_query(sql, output=self, format="binary")
        await self.finish()

    async def __call__(self, chunk: bytearray) -> None:
        with self._waiting.interrupted():
            await self._take(chunk)

    async def _take(self, chunk: bytearray) -> None:
        size = len(chunk)
        if self._head is not None:
            self._head += chunk
            chunk = self._without_header(self._head)
        if chunk:
            last, self._last = self._last, None
            if last is not None:
                await self._hand_on(last)
            if chunk.endswith(TRAILER) and not self._is_cut:
                self._last = chunk
            else:
                await self._hand_on(chunk)
        if size < SMALL_BYTES:
            await self._clock.sleep(PAUSE_SECONDS)

    async def finish(self) -> None:
        """Hand on what is left, without the trailer. Raises BrokenFraming where there is none."""
        if self._head is not None:
            raise BrokenFraming("it ends within its header")
        if self._is_cut:
            return
        last = self._last
        if last is None:
            raise BrokenFraming("the rows do not end as a COPY does")
        del last[-len(TRAILER) :]
        if last:
            await self._hand_on(last)

    def _without_header(self, head: bytearray) -> bytearray:
        """The rows behind the header; nothing while it is not whole."""
        if head[: len(_SIGNATURE)] != _SIGNATURE[: len(head)]:
            raise BrokenFraming(f"it begins with {bytes(head[:32])!r}, and not as a COPY does")
        if len(head) < _FIXED_HEADER:
            return bytearray()
        extension = int.from_bytes(head[_FIXED_HEADER - 4 : _FIXED_HEADER])
        if len(head) < _FIXED_HEADER + extension:
            return bytearray()
        del head[: _FIXED_HEADER + extension]
        self._head = None
        return head
