"""What the checks of sources are given, and how they read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio.lowlevel
import msgspec

from bronze_engine.contracts import Emit, Request, Source, SourceType
from bronze_engine.model.block import Block
from bronze_engine.model.slice import Slice
from bronze_engine.testing.left import nothing_left
from bronze_engine.testing.lent import BUDGET_BYTES, Lent, asked, lend

__all__ = ["SourceFactory", "SourceSubject", "each_piece", "into", "opened", "read_whole", "told"]


class SourceSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A source to be checked, and what it is asked for."""

    source_type: SourceType[Any]
    config: Any
    """Its Struct, for something that can be read, and stays as it is."""
    broken: Any
    """The same for something that can't be read."""
    request: Request = msgspec.field(default_factory=asked)
    secrets: tuple[str, ...] = ()
    """Texts of the configuration that nothing may tell."""
    cuts_by_arrival: bool = False
    """Whether another reading may cut the same records into other blocks. Only of a source whose
    columns are known beforehand: where they are inferred, files depend on those cuts."""

    def told(self, blocks: Sequence[Block]) -> Any:
        """What blocks hold, to be compared; without the instants at which they came."""
        found = told(blocks)
        if not self.cuts_by_arrival:
            return found
        data = b"".join(block.data for block in blocks)
        return data, [batch for _, batch, *_ in found if batch is not None]


SourceFactory = Callable[[], AbstractAsyncContextManager[SourceSubject]]
"""Makes what is to be checked: entered by each check."""


def told(blocks: Sequence[Block]) -> list[Any]:
    """What blocks hold, to be compared; without the instants at which they came."""
    return [
        (
            block.data,
            None if block.batch is None else block.batch.serialize().to_pybytes(),
            block.records,
            block.page,
            block.offset,
            block.rejects,
        )
        for block in blocks
    ]


@asynccontextmanager
async def opened(
    subject: SourceSubject, *, budget_bytes: int = BUDGET_BYTES
) -> AsyncIterator[tuple[Source, Lent]]:
    async with (
        nothing_left(),
        lend(budget_bytes=budget_bytes) as lent,
        subject.source_type.open(subject.config, subject.request, lent.resources) as source,
    ):
        yield source, lent


async def each_piece(source: Source, emit: Callable[[Slice], Emit]) -> AsyncIterator[Slice]:
    """Every slice once it was read, those of chains too, as a run reads them."""
    async for first in source.slices():
        piece: Slice | None = first
        while piece is not None:
            following = await source.read(piece, emit(piece))
            yield piece
            piece = following


async def read_whole(source: Source) -> list[tuple[Slice, list[Block]]]:
    blocks: dict[int, list[Block]] = {}

    def kept(piece: Slice) -> Emit:
        return into(blocks.setdefault(piece.index, []))

    return [(piece, blocks[piece.index]) async for piece in each_piece(source, kept)]


def into(blocks: list[Block]) -> Emit:
    async def emit(block: Block) -> None:
        await anyio.lowlevel.checkpoint()
        blocks.append(block)

    return emit
