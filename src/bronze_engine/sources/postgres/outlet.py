"""Where the rows of one slice go: each chunk of a COPY becomes a block."""

from __future__ import annotations

from typing import Final, final

import asyncpg

from bronze_engine.contracts import Emit, Resources
from bronze_engine.model.block import Block, Reject
from bronze_engine.sources.copy_binary.framing import TRAILER

__all__ = ["Outlet"]

_REJECTS_AT_ONCE: Final = 1000


@final
class Outlet:
    """Numbers the blocks of one slice, counts their bytes, and hands them on."""

    def __init__(self, resources: Resources, emit: Emit) -> None:
        self._tally = resources.tally
        self._emit = emit
        self.blocks = 0
        """Handed on so far."""

    async def rows(self, chunk: bytes) -> None:
        """Hand on whole rows."""
        self.blocks += 1
        self._tally.bytes_in += len(chunk)
        await self._emit(Block(data=chunk, records=0, page=self.blocks))

    async def rejects(self, connection: asyncpg.Connection, sql: str, reason: str) -> None:
        """Hand on the rows of a query, which gives each as JSON text, as rejected."""
        rows: list[Reject] = []
        async for (text,) in connection.cursor(sql, prefetch=_REJECTS_AT_ONCE):
            reject = Reject(
                reason=reason, page=self.blocks + 1, offset=len(rows), raw=text.encode()
            )
            rows.append(reject)
            if len(rows) == _REJECTS_AT_ONCE:
                await self._reject(rows)
                rows = []
        if rows:
            await self._reject(rows)

    async def finish(self) -> None:
        """Where nothing was handed on, hand on the end of a COPY: the columns of an empty table
        land with it."""
        if not self.blocks:
            await self._emit(Block(data=TRAILER, records=0, page=1))

    async def _reject(self, rows: list[Reject]) -> None:
        self.blocks += 1
        await self._emit(Block(data=b"", records=0, page=self.blocks, rejects=tuple(rows)))
