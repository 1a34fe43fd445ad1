"""The source of files as an inspection reads it: how many there are, and how the first begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, final

import msgspec

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import ExtractError
from bronze_engine.inspection.file_kind import FileKind, kind_of, members_of_kind, packed_kind
from bronze_engine.inspection.parquet_head import parquet_head
from bronze_engine.model.block import Block
from bronze_engine.model.slice import Slice
from bronze_engine.sources.files.content import FileContent
from bronze_engine.sources.files.decoder import FilesDecoder, without_column
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.excel.workbook import excel_reader
from bronze_engine.sources.files.format import Format
from bronze_engine.sources.files.formats.registry import make_format
from bronze_engine.sources.files.inflate import coding_of_bytes, coding_of_name
from bronze_engine.sources.files.listing import list_files, open_places, with_members

__all__ = ["FilesSeen", "SampledFiles"]

FILES: Final = 2
"""The second shows whether columns stay the same."""
HEAD_BYTES: Final = 1024**2
MOST_COPIED_BYTES: Final = 256 * 1024**2
"""Formats that seek are copied from stores and servers as a whole: larger ones are not."""
_DOCUMENT_BYTES: Final = 64 * 1024**2
"""As much as a run holds of a JSON document, as it is set."""
_BLOCKS: Final = 2
_RECORDS: Final = 10_000


class FilesSeen(msgspec.Struct, kw_only=True):
    """What was found; filled by the first look."""

    files: int = 0
    size_bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    names: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    compression: str = "none"
    members: int | None = None
    """Of the first archive, those that match."""
    wanted: str | None = None
    """Which of them, where they are of several kinds: these are yet to be looked at."""
    kind: FileKind | None = None
    """None of an archive whose name is none of one: it is yet to be opened."""
    sheets: tuple[str, ...] = ()


@final
class SampledFiles:
    """`type = "files"`: the first records of the first files.

    Where `is_survey`, none of them: then `seen` is told what they hold.
    """

    def __init__(self, seen: FilesSeen, *, is_survey: bool) -> None:
        self._seen = seen
        self._is_survey = is_survey

    def open(
        self, config: FilesSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        return self._open(config, request, resources)

    def floor_bytes(self, _config: FilesSourceConfig, /) -> int:
        return 16 * HEAD_BYTES

    def slices_at_once(self, _config: FilesSourceConfig, /) -> int:
        return 1

    @asynccontextmanager
    async def _open(
        self, config: FilesSourceConfig, request: Request, resources: Resources
    ) -> AsyncIterator[Source]:
        asked = await open_places(config, request, resources)
        listed = await list_files(config, asked)
        if not listed:
            raise ExtractError("no file is there to be looked at")
        some = [entry for entry in listed if entry.found.size_bytes != 0][:FILES]
        if not some:
            raise ExtractError(f"{listed[0].path} is empty: there is nothing to look at")
        for entry in some:
            if coding_of_name(entry.name) == "zip" and entry.place.is_remote:
                _check_size(entry)
        async with AsyncExitStack() as stack:
            every = await with_members(config, some, resources, stack)
            entries = every[:FILES]
            if not entries:
                raise ExtractError(f"{some[0].path} has no member that matches source.member")
            source = _SampleSource(config, request, resources, entries, self._seen)
            if self._is_survey:
                self._tell(listed, every)
                await source.survey()
            yield source

    def _tell(self, listed: list[Entry], every: list[Entry]) -> None:
        seen = self._seen
        modified = [each.found.modified for each in listed if each.found.modified is not None]
        seen.files = len(listed)
        seen.size_bytes = sum(each.size_bytes for each in listed)
        seen.oldest, seen.newest = min(modified, default=None), max(modified, default=None)
        seen.names = tuple(each.name for each in listed)
        seen.looked_at = tuple(each.path for each in every[:FILES])
        if every[0].member is not None:
            first = every[0].found.path
            seen.compression = "zip"
            members = [each.name for each in every if each.found.path == first]
            seen.members, seen.wanted = len(members), members_of_kind(members)


def _check_size(entry: Entry) -> None:
    if entry.size_bytes > MOST_COPIED_BYTES:
        raise ExtractError(
            f"{entry.path} has {entry.size_bytes:,} bytes, and would be copied whole to be looked"
            " at; fetch it, and inspect the local file"
        )


@final
class _SampleSource:
    """The first records of a few files. `config.format` counts only where it is no survey."""

    def __init__(
        self,
        config: FilesSourceConfig,
        request: Request,
        resources: Resources,
        entries: list[Entry],
        seen: FilesSeen,
    ) -> None:
        self._config = config
        self._resources = resources
        self._entries = entries
        self._seen = seen
        self._is_survey = False
        base = without_column(request.base, config.file_column) if config.file_column else None
        asked = msgspec.structs.replace(request, base=base) if config.file_column else request
        self._format: Format = make_format(config, asked, resources)

    @property
    def token(self) -> None:
        return None

    def preview(self) -> Preview:
        first = self._entries[0].path
        return Preview(location=first, first=f"read {first}", slices=("its first records",))

    async def check(self) -> str:
        return self._entries[0].path

    async def slices(self) -> AsyncIterator[Slice]:
        if not self._is_survey:
            label = self._entries[0].path
            yield Slice(index=0, label=label, spec=msgspec.Raw(b"null"))

    async def read(self, _: Slice, emit: Emit, /) -> Slice | None:
        for number, entry in enumerate(self._entries, 1):
            async with AsyncExitStack() as stack:
                one = entry
                if self._config.format == "parquet" and entry.place.is_remote:
                    one = await parquet_head(entry, self._resources.workers, stack)
                if self._is_packed and one.place.is_remote:
                    _check_size(one)
                with suppress(_Enough):
                    await self._format.read(self._content(one, number), _First(emit))
        return None

    def decoder(self) -> Decoder:
        paths = [entry.path for entry in self._entries]
        return FilesDecoder(self._format.decoder(), paths, None, self._config.file_column)

    @property
    def _is_packed(self) -> bool:
        return self._config.format in ("parquet", "arrow", "excel")

    def _content(self, entry: Entry, number: int, *, is_packed: bool | None = None) -> FileContent:
        return FileContent(
            entry,
            number,
            self._resources.workers,
            compression=self._config.compression,
            is_self_packed=self._is_packed if is_packed is None else is_packed,
        )

    async def survey(self) -> None:
        """Tell what the first file holds, by its name and how it begins."""
        self._is_survey = True
        entry, seen = self._entries[0], self._seen
        if seen.wanted is not None:
            return
        coding = coding_of_name(entry.name)
        if coding == "zstd" and entry.place.is_remote:
            _check_size(entry)
        raw, _ = await self._head(entry, HEAD_BYTES, is_packed=True)
        kind = packed_kind(entry.name, raw)
        if entry.member is None:
            packed = "none" if kind is not None else coding_of_bytes(raw)
            seen.compression = coding if coding != "none" else packed
            if packed == "zip":
                return  # an archive whose name does not tell
        if kind is None:
            head, is_whole = await self._head(entry, HEAD_BYTES, is_packed=False)
            if not is_whole and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                head, is_whole = await self._head(entry, _DOCUMENT_BYTES, is_packed=False)
            kind = await self._resources.workers.run(_text_kind, entry.name, head, is_whole)
        elif kind.format == "excel":
            if entry.place.is_remote:
                _check_size(entry)
            async with self._content(entry, 1, is_packed=True).local() as path:
                seen.sheets = await self._resources.workers.run(_sheets, path, entry.path)
        seen.kind = kind

    async def _head(self, entry: Entry, most: int, *, is_packed: bool) -> tuple[bytes, bool]:
        """The first bytes of a file, and whether they are all; of `is_packed` ones as they are
        stored, but for what the name tells of."""
        pieces: list[bytes] = []
        size = 0
        async with self._content(entry, 1, is_packed=is_packed).chunks() as chunks:
            async for chunk in chunks:
                pieces.append(chunk)
                size += len(chunk)
                if size >= most:
                    return b"".join(pieces), False
        return b"".join(pieces), True


def _text_kind(name: str, head: bytes, is_whole: bool) -> FileKind:
    return kind_of(name, head, is_whole=is_whole)


def _sheets(path: Path, name: str) -> tuple[str, ...]:
    reader = excel_reader()
    try:
        book = reader.load_workbook(path)
    except (reader.CalamineError, OSError) as exc:
        raise ExtractError(f"{name} is no workbook that can be read: {exc}") from exc
    try:
        return tuple(book.sheet_names)
    finally:
        book.close()


class _Enough(Exception):
    """The first records of a file are there."""


@final
class _First:
    """Hands on the first blocks of a file."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._blocks = 0
        self._records = 0

    async def __call__(self, block: Block, /) -> None:
        await self._emit(block)
        self._blocks += 1
        self._records += block.records
        if self._blocks >= _BLOCKS or self._records >= _RECORDS:
            raise _Enough
