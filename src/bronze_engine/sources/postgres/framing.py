"""Whether the rows of a connection come as asyncpg and the server promise: whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

from bronze_engine.contracts import Resources

__all__ = ["Framing", "shared_framing"]


@final
class Framing:
    """What is known of one connection; kept while the engine is open.

    The server sends a row a message, and so a block is whole rows. A proxy that cuts the stream
    otherwise, or a server that only looks like PostgreSQL, is noticed by the decoder, which
    proves every block. From then on rows are found one after another, wherever blocks end.
    """

    def __init__(self) -> None:
        self.is_cut = False
        """Whether a block may end within a row."""

    def broke(self, why: str) -> str:
        """Take note that a block was not whole rows; says what follows from that."""
        self.is_cut = True
        return f"a block was not whole rows ({why}): rows are found one after another from here on"


async def shared_framing(connection: str, resources: Resources) -> Framing:
    """What is known of the connection of that name."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Framing]:
        yield Framing()

    return await resources.share(f"postgres framing {connection}", make)
