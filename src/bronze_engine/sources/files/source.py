"""The source of type "files": what a glob or a list of URLs names, in the order of the paths."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final, final

import msgspec

from bronze_engine.config.files.source import FileFormat, FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import ExtractError
from bronze_engine.flow import Lane, ordered
from bronze_engine.model.block import Block
from bronze_engine.model.landed_file import LandedFile
from bronze_engine.model.slice import Slice
from bronze_engine.sources.files.choice import choose
from bronze_engine.sources.files.content import FileContent
from bronze_engine.sources.files.cursor import FileCursor
from bronze_engine.sources.files.decoder import FilesDecoder, without_column
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.format import Format
from bronze_engine.sources.files.formats.registry import make_format
from bronze_engine.sources.files.listing import Asked, list_files, open_places, with_members
from bronze_engine.telemetry.redact import redact_url

__all__ = ["FilesSource", "FilesSourceType"]

_FLOOR_BYTES: Final = 16 * 1024**2
"""What is fetched ahead without waiting."""

_SLICE_BYTES: Final = 256 * 1024**2
"""Files are read together up to this: a slice has data files of its own."""

_AHEAD_BYTES: Final = 4 * 1024**2
"""A file of a store or a server that is no larger is fetched while those before it are read."""

_AHEAD_FILES: Final = 16

_SELF_PACKED: Final[frozenset[FileFormat]] = frozenset({"parquet", "arrow", "excel"})
"""Formats with a compression of their own; a workbook is a ZIP archive."""


@final
class FilesSourceType:
    """`type = "files"`."""

    def open(
        self, config: FilesSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open one run's reading of files, and list them. No file is read."""
        return _open(config, request, resources)

    def floor_bytes(self, _config: FilesSourceConfig, /) -> int:
        return _FLOOR_BYTES

    def slices_at_once(self, _config: FilesSourceConfig, /) -> int:
        """One: what a file holds decides what the columns of the next ones are."""
        return 1


@asynccontextmanager
async def _open(
    config: FilesSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    asked = await open_places(config, request, resources)
    form = make_format(config, _of_the_format(config, request), resources)
    async with AsyncExitStack() as stack:
        source = FilesSource(config, request, resources, asked, form, stack)
        await source.list()
        yield source


def _of_the_format(config: FilesSourceConfig, request: Request) -> Request:
    """The request without the column that is ours: no format is asked for it."""
    if config.file_column is None:
        return request
    base = without_column(request.base, config.file_column)
    return msgspec.structs.replace(request, base=base)


class _Span(msgspec.Struct, frozen=True):
    """The files of a slice, by their places in the run's order."""

    first: int
    count: int


class _Fetched(msgspec.Struct, frozen=True):
    """A file whose turn comes, and its bytes where they were fetched ahead."""

    number: int
    entry: Entry
    data: bytes | None


@final
class FilesSource:
    """One run's reading of files."""

    def __init__(
        self,
        config: FilesSourceConfig,
        request: Request,
        resources: Resources,
        asked: Sequence[Asked],
        form: Format,
        stack: AsyncExitStack,
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._asked = asked
        self._format = form
        self._stack = stack
        self._listed: list[Entry] = []
        self._missing: ExtractError | None = None
        self._entries: Sequence[Entry] = ()
        self._high: str | None = None
        self._landed: dict[int, tuple[LandedFile, ...]] = {}
        before = {} if request.landed is None else request.landed.elsewhere
        self._hashes = {file.sha256: file.path for file in before.values()}

    async def list(self) -> None:
        """Find the files that match; that there are none is told later."""
        try:
            self._listed = await list_files(self._config, self._asked)
        except ExtractError as exc:
            self._missing = exc

    @property
    def token(self) -> str | None:
        """Of the files, as their listing told them: the same files are read the same."""
        digest = hashlib.sha256()
        for entry in self._entries:
            if entry.version is None and entry.found.modified is None:
                return None  # nothing tells whether it is still the same file
            facts = (entry.path, entry.size_bytes, entry.version, entry.found.modified)
            digest.update(msgspec.json.encode(facts))
        return digest.hexdigest()

    def preview(self) -> Preview:
        size = sum(entry.size_bytes for entry in self._listed)
        count = len(self._listed)
        found = f"{count:,} file{'' if count == 1 else 's'}, {size:,} bytes"
        first = self._listed[0].path if self._listed else self._location
        return Preview(
            location=self._location,
            first=f"read {first}",
            slices=(found,),
            notes=() if self._missing is None else (self._missing.message,),
        )

    @property
    def _location(self) -> str:
        return ", ".join(map(redact_url, self._config.urls))

    async def check(self) -> str:
        """Read the first file until records come."""
        if self._missing is not None:
            raise self._missing
        entries = await self._files()
        told = f"{self._location}: {len(entries):,} file{'' if len(entries) == 1 else 's'}"
        if not entries:
            return told

        async def first(_: Block) -> None:
            raise _Enough

        with suppress(_Enough):
            await self._format.read(self._content(_Fetched(1, entries[0], None)), first)
        return f"{told}, and the first begins as {self._config.format} does"

    async def slices(self) -> AsyncIterator[Slice]:
        """Choose the files; small ones are read together, so that data files are not small."""
        if self._missing is not None:
            raise self._missing
        await self._choose()
        span = _Span(0, 0)
        size = 0
        index = 0
        for entry in self._entries:
            if span.count and size + entry.size_bytes > _SLICE_BYTES:
                yield self._slice(index, span)
                index, span, size = index + 1, _Span(span.first + span.count, 0), 0
            span = _Span(span.first, span.count + 1)
            size += entry.size_bytes
        if span.count:
            yield self._slice(index, span)

    def _slice(self, index: int, span: _Span) -> Slice:
        first = self._entries[span.first].path
        label = first if span.count == 1 else f"{first} and {span.count - 1:,} more"
        return Slice(index=index, label=label, spec=msgspec.Raw(msgspec.json.encode(span)))

    async def _files(self) -> Sequence[Entry]:
        """What is listed, members in place of archives."""
        config = self._config
        entries = await with_members(config, self._listed, self._resources, self._stack)
        if self._listed and not entries and config.on_missing == "fail":
            raise ExtractError(
                f"{self._location}: no member of {self._listed[0].path} is wanted by source.member"
                f" = {config.member!r}, nor of any other archive; correct it, or set"
                ' source.on_missing = "empty" if that is no fault'
            )
        return entries

    async def _choose(self) -> None:
        entries = await self._files()
        incremental = self._request.incremental
        if incremental is None:
            self._entries = entries
            return
        pattern = self._config.name_pattern
        choice = await choose(
            entries,
            self._request,
            FileCursor(
                incremental, None if pattern is None else re.compile(pattern), self._request
            ),
            now=self._resources.clock.now(),
            on_changed=self._config.on_changed,
            sha256=self._sha256,
        )
        self._entries, self._high = choice.entries, choice.high
        for warning in choice.warnings:
            self._resources.tally.warn(warning)

    async def _sha256(self, entry: Entry) -> str:
        return await self._content(_Fetched(0, entry, None)).sha256()

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Read the files of a slice one after the other; the next ones are fetched meanwhile."""
        span = msgspec.json.decode(piece.spec, type=_Span)
        landed: list[LandedFile] = []
        wanted = range(span.first, span.first + span.count)
        lane = Lane(self._resources.budget, _FLOOR_BYTES)

        async def files() -> AsyncIterator[int]:
            for place in wanted:
                yield place

        async def fetch(place: int) -> tuple[_Fetched, int]:
            entry = self._entries[place]
            data = await self._ahead(entry)
            return _Fetched(place + 1, entry, data), len(data or b"")

        async def hand_on(fetched: _Fetched) -> None:
            content = self._content(fetched)
            await self._format.read(content, emit)
            landed.append(await content.landed())
            await content.check_unchanged()
            self._tell_twin(landed[-1])
            self._resources.tally.pages += 1
            self._resources.tally.bytes_in += landed[-1].size_bytes

        await ordered(
            files(),
            fetch,
            hand_on,
            lane=lane,
            estimate=lambda place: self._ahead_bytes(self._entries[place]),
            ahead=_AHEAD_FILES,
        )
        self._landed[piece.index] = tuple(landed)
        return None

    def _tell_twin(self, file: LandedFile) -> None:
        """A copy under another name lands, as files are known by their paths; but it is told."""
        twin = self._hashes.get(file.sha256)
        if twin is not None and twin != file.path and file.size_bytes:
            self._resources.tally.warn(f"{file.path} has the bytes of {twin}, which landed before")

    def landed(self, piece: Slice, /) -> tuple[LandedFile, ...]:
        return self._landed[piece.index]

    def _ahead_bytes(self, entry: Entry) -> int:
        """What is fetched ahead of a file's turn: all of it or nothing."""
        size = entry.found.size_bytes
        is_small = size is not None and size <= _AHEAD_BYTES and entry.member is None
        return size or 0 if is_small and entry.place.is_remote else 0

    async def _ahead(self, entry: Entry) -> bytes | None:
        if not self._ahead_bytes(entry):
            return None
        async with entry.place.read(entry.found, _unseen) as chunks:
            data = b"".join([chunk async for chunk in chunks])
        if len(data) != entry.found.size_bytes:
            raise ExtractError(f"{entry.path} has changed since it was listed; run again")
        return data

    def _content(self, fetched: _Fetched) -> FileContent:
        return FileContent(
            fetched.entry,
            fetched.number,
            self._resources.workers,
            compression=self._config.compression,
            is_self_packed=self._config.format in _SELF_PACKED,
            fetched=fetched.data,
        )

    def decoder(self) -> Decoder:
        paths = [entry.path for entry in self._entries]
        return FilesDecoder(self._format.decoder(), paths, self._high, self._config.file_column)


def _unseen(_: bytes) -> None:
    """It is hashed when its turn comes."""


class _Enough(Exception):
    """The first records are there."""
