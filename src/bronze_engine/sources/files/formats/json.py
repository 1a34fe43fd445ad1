"""`format = "json"`: one document a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final, final

import msgspec

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.errors import ExtractError, PageError
from bronze_engine.model.block import Block
from bronze_engine.sources.files.advice import of_files
from bronze_engine.sources.files.elements import Elements
from bronze_engine.sources.files.format import Content, FileInfo
from bronze_engine.sources.http.body.page_blocks import blocks_of
from bronze_engine.sources.http.body.shape import Shape

__all__ = ["JsonFormat"]

_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"


@final
class JsonFormat:
    """JSON documents. An array at the root is read element by element, whatever its size; of any
    other document at most `max_document_bytes` are held."""

    def __init__(self, config: FilesSourceConfig, request: Request, resources: Resources) -> None:
        self._records = config.records
        self._max_bytes = config.max_document_bytes
        self._workers = resources.workers
        keeps = request.schema.raw or request.keeps_records
        self._shape = Shape(config.records, (), keep_originals=keeps)
        self._elements = Shape(None, (), keep_originals=keeps)
        # What is new is told by the files, not by a column: no row is outside of the window.
        plain = msgspec.structs.replace(request, incremental=None)
        self._decoder = resources.json_decoder(plain)

    def decoder(self) -> Decoder:
        return self._decoder

    async def read(self, content: Content, emit: Emit, /) -> None:
        async with content.chunks() as chunks:
            first = await anext(chunks, b"")
            if self._records is None and _begin(first) == b"[":
                await self._array(first, chunks, content.info, emit)
            else:
                await self._document(first, chunks, content.info, emit)

    async def _array(
        self, first: bytes, chunks: AsyncIterator[bytes], info: FileInfo, emit: Emit
    ) -> None:
        elements = Elements(info.path, self._max_bytes)
        offset = 0

        def cut(chunk: bytes) -> list[Block]:
            nonlocal offset
            blocks: list[Block] = []
            for piece in elements.feed(chunk):
                found = list(_split(self._elements, piece, info))
                blocks += [
                    msgspec.structs.replace(block, offset=block.offset + offset) for block in found
                ]
                offset += sum(block.records + len(block.rejects) for block in found)
            return blocks

        for block in await self._workers.run(cut, first.removeprefix(_MARK), stage="split"):
            await emit(block)
        async for chunk in chunks:
            for block in await self._workers.run(cut, chunk, stage="split"):
                await emit(block)
        elements.finish()

    async def _document(
        self, first: bytes, chunks: AsyncIterator[bytes], info: FileInfo, emit: Emit
    ) -> None:
        pieces = [first]
        size = len(first)
        self._check_size(size, info)
        async for chunk in chunks:
            size += len(chunk)
            self._check_size(size, info)
            pieces.append(chunk)
        body = b"".join(pieces)
        if not body.strip(_BLANK):
            raise ExtractError(f"{info.path} is empty, which is no JSON; fetch it again")
        is_record = self._records is None and _begin(body) == b"{"

        def cut() -> list[Block]:
            if is_record:
                _refuse_lines(body.removeprefix(_MARK), info)
            text = b"[%b]" % body.removeprefix(_MARK) if is_record else body
            return list(_split(self._shape, text, info))

        for block in await self._workers.run(cut, stage="split"):
            await emit(block)

    def _check_size(self, size: int, info: FileInfo) -> None:
        if size > self._max_bytes:
            raise ExtractError(
                f"{info.path} has more than {self._max_bytes:,} bytes; raise"
                " source.max_document_bytes, or write it as NDJSON: only an array at the root"
                " is read in pieces"
            )


def _begin(chunk: bytes) -> bytes:
    return chunk.removeprefix(_MARK).lstrip(_BLANK)[:1]


def _refuse_lines(body: bytes, info: FileInfo) -> None:
    """Raise ExtractError where the first line is a document of its own."""
    first, _, rest = body.strip(_BLANK).partition(b"\n")
    if not rest:
        return
    try:
        msgspec.json.decode(first)
    except msgspec.DecodeError:
        return
    raise ExtractError(f'{info.path} has a document a line; set format = "ndjson"')


def _split(shape: Shape, body: bytes, info: FileInfo) -> Iterator[Block]:
    try:
        yield from blocks_of(shape.split(body), page=info.number, as_of=None)
    except (ExtractError, PageError) as exc:
        raise ExtractError(
            f"{info.path}: {of_files(exc.message)}", **exc.context
        ) from exc.__cause__
