"""A group of JSON lines in small pieces, so that few records send few others the exact way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bronze_engine.model.block import Block

__all__ = ["pieces_of"]


def pieces_of(blocks: Sequence[Block], size_bytes: int) -> Iterator[Block]:
    """The lines of a group, in order, as blocks of `size_bytes` or a line more."""
    for block in blocks:
        data, offset, start = block.data, block.offset, 0
        while start < len(data):
            end = data.find(b"\n", start + size_bytes - 1) + 1 or len(data)
            piece = data[start:end]
            records = piece.count(b"\n")
            yield Block(data=piece, records=records, page=block.page, offset=offset)
            offset += records
            start = end
