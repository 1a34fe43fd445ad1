"""Whether the rows of a connection come as asyncpg and the server promise: whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

from bronze_engine.contracts import Resources
from bronze_engine.errors import ExtractError, SnapshotLost
from bronze_engine.sources.copy_binary.framing import BrokenFraming

__all__ = ["Framing", "shared_framing"]


@final
class Framing:
    """What is known of one connection; kept while the engine is open.

    The server sends a row a message, and so a block is whole rows. A proxy that cuts the stream
    otherwise, or a server that only looks like PostgreSQL, is noticed by the decoder, which
    proves every block. From then on rows are found one after another, wherever blocks end.
    """

    def __init__(self, connection: str) -> None:
        self.is_cut = False
        """Whether a block may end within a row."""
        self._connection = connection

    def fault(self, broken: BrokenFraming, *, was_cut: bool) -> SnapshotLost | ExtractError:
        """What follows from bytes that are no rows: another reading, one after another; where
        it was read like that already, an error."""
        if was_cut:
            return ExtractError(
                f"connections.{self._connection}: what came is no COPY in PostgreSQL's binary"
                f" format: {broken}; a proxy or another server answers: connect to PostgreSQL"
                " itself"
            )
        self.is_cut = True
        return SnapshotLost(
            f"connections.{self._connection}: a block was not whole rows ({broken}), as behind a"
            " proxy that cuts messages; from here on rows are found one after another, slowly"
        )


async def shared_framing(connection: str, resources: Resources) -> Framing:
    """What is known of the connection of that name."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Framing]:
        yield Framing(connection)

    return await resources.share(f"postgres framing {connection}", make)
