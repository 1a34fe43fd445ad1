"""`format = "ndjson"`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import msgspec

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoded, Decoder, Emit, Request, Resources
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.format import Content
from bronze_engine.sources.files.lines import JsonLines

__all__ = ["NdjsonDecoder", "NdjsonFormat"]


@final
class NdjsonFormat:
    """One JSON object a line; a line that is none is rejected, a blank one is no record."""

    def __init__(self, config: FilesSourceConfig, request: Request, resources: Resources) -> None:
        self._max_bytes = config.max_document_bytes
        self._workers = resources.workers
        # What is new is told by the files, not by a column: no row is outside of the window.
        plain = msgspec.structs.replace(request, incremental=None)
        self._decoder = NdjsonDecoder(resources.json_decoder(plain))

    async def read(self, content: Content, emit: Emit, /) -> None:
        lines = JsonLines(content.info.path, content.info.number, self._max_bytes)
        async with content.chunks() as chunks:
            async for chunk in chunks:
                for block in await self._workers.run(_all, lines.feed(chunk), stage="split"):
                    await emit(block)
        for block in await self._workers.run(_all, lines.finish(), stage="split"):
            await emit(block)

    def decoder(self) -> Decoder:
        return self._decoder


@final
class NdjsonDecoder:
    """What decodes JSON lines, with the line in the file of each record that it refuses."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def least_group_bytes(self) -> int:
        return self._decoder.least_group_bytes

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        decoded = self._decoder.decode(blocks, layout)
        refuse = decoded.refuse
        if refuse is not None:
            of_rows = refuse  # for the closure, in which it is not None

            def located(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
                return _with_lines(of_rows(places, reasons))

            decoded = msgspec.structs.replace(decoded, refuse=located)
        if decoded.rejects:
            decoded = msgspec.structs.replace(decoded, rejects=_with_lines(decoded.rejects))
        return decoded


def _with_lines(rejects: Sequence[Reject]) -> tuple[Reject, ...]:
    return tuple(msgspec.structs.replace(reject, line=reject.offset + 1) for reject in rejects)


def _all(blocks: Iterator[Block]) -> list[Block]:
    return list(blocks)
