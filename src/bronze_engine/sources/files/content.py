"""One file: its stored bytes, what they unfold to, and their hash.

place -> stored bytes (of a ZIP archive: a member's) -> SHA-256 -> decompressed -> pieces
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Final, final

import pyarrow as pa

from bronze_engine.config.files.source import Compression
from bronze_engine.errors import ExtractError
from bronze_engine.model.landed_file import LandedFile
from bronze_engine.sources.files.archive import Member, MemberInflater
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.foreign import refuse_packed
from bronze_engine.sources.files.format import FileInfo
from bronze_engine.sources.files.inflate import (
    Coding,
    Inflater,
    coding_of_bytes,
    coding_of_name,
    make_inflater,
)
from bronze_engine.sources.files.places.place import Observe
from bronze_engine.sources.files.spool import spooled
from bronze_engine.telemetry.profile import fetching
from bronze_engine.workers import Workers

__all__ = ["FileContent"]

_PIECE_BYTES: Final = 1024**2
_HEAD_BYTES: Final = 6
"""What tells how a file is compressed."""


@final
class FileContent:
    """`format.Content` of one entry.

    `is_self_packed`: files of this format have a compression of their own, so that only the
    name of one tells whether it is compressed once more. `fetched` are its stored bytes where
    they were fetched ahead.
    """

    def __init__(
        self,
        entry: Entry,
        number: int,
        workers: Workers,
        *,
        compression: Compression,
        is_self_packed: bool = False,
        fetched: bytes | None = None,
    ) -> None:
        self._entry = entry
        self._workers = workers
        self._compression = compression
        self._is_self_packed = is_self_packed
        self._fetched = fetched
        self._sha256: str | None = None
        self._stored_bytes = 0
        self._info = FileInfo(
            path=entry.path,
            number=number,
            size_bytes=entry.size_bytes,
            modified=entry.found.modified,
            version=entry.version,
        )

    @property
    def info(self) -> FileInfo:
        return self._info

    @asynccontextmanager
    async def chunks(self) -> AsyncIterator[AsyncIterator[bytes]]:
        async with AsyncExitStack() as stack:
            stored = await stack.enter_async_context(self._stored())
            head, rest = await _headed(stored)
            coding = self._coding(head)
            if coding == "zstd":
                path = await self._path_of_stored(stack, rest)
                packed = _zstd_pieces(path, self._info.path)
                pieces = await stack.enter_async_context(self._workers.iterate(packed))
            elif coding == "none":
                pieces = rest
            else:
                unfolded = self._unfolded(rest, coding)
                pieces = await stack.enter_async_context(aclosing(unfolded))
            yield await stack.enter_async_context(aclosing(self._judged(pieces)))

    async def _judged(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The pieces, unless the file is one that nothing here reads."""
        is_judged = self._compression == "none"  # it is read as it is
        async for piece in pieces:
            if not is_judged:
                is_judged = True
                refuse_packed(piece, self._info.path)
            yield piece

    @asynccontextmanager
    async def local(self) -> AsyncIterator[Path]:
        path = self._entry.place.on_disk(self._entry.found)
        if path is not None and self._entry.member is None and self._is_plain:
            yield path
            return
        async with (
            self.chunks() as chunks,
            spooled(chunks, self._workers, name=self._info.path) as copy,
        ):
            yield copy

    async def sha256(self) -> str:
        """Of the file as it is stored; a member's unpacked. Reads what nobody has read."""
        if self._sha256 is None:
            async with self._stored() as stored:
                async for _ in stored:
                    pass
        assert self._sha256 is not None  # noqa: S101  # it was read to its end
        return self._sha256

    async def landed(self) -> LandedFile:
        """What a manifest remembers of the file."""
        entry = self._entry
        sha256 = await self.sha256()
        return LandedFile(
            path=entry.path,
            size_bytes=self._stored_bytes if entry.member is None else entry.size_bytes,
            modified=entry.found.modified,
            version=entry.version,
            sha256=sha256,
        )

    async def check_unchanged(self) -> None:
        """Raise ExtractError where a file is another by now than its listing said."""
        found = self._entry.found
        now = await self._entry.place.look(found)
        if now is None or (now.size_bytes, now.modified) != (found.size_bytes, found.modified):
            what = "is gone" if now is None else "has changed"
            raise ExtractError(f"{self._info.path} {what} while it was read; run again")

    @property
    def _is_plain(self) -> bool:
        """Whether it is certain, before a byte is read, that nothing is to be unfolded."""
        if self._compression == "none":
            return True
        return self._is_self_packed and self._coding(b"") == "none"

    def _coding(self, head: bytes) -> Coding:
        """What the stored bytes are compressed with. Raises ExtractError where that is unclear."""
        given = self._compression
        if self._entry.member is None and given != "auto" and given != "zip":
            return given
        named = coding_of_name(self._entry.name)
        if self._is_self_packed:
            return named
        seen = coding_of_bytes(head)
        path = self._info.path
        if seen == "zip":
            raise ExtractError(
                f'{path} is a ZIP archive; set compression = "zip", or end its name with .zip; of a'
                ' workbook set format = "excel"'
            )
        if named not in (seen, "none", "zip"):
            raise ExtractError(
                f"{path} is called a file of {named}, and does not begin as one;"
                ' set compression = "none" if it is not compressed'
            )
        return seen

    @asynccontextmanager
    async def _stored(self) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """The bytes that are hashed: the file's, or the member's unpacked."""
        async with AsyncExitStack() as stack:
            digest = hashlib.sha256()
            member = self._entry.member
            if member is not None:
                source = self._packed(member, digest.update)
            elif self._fetched is not None:
                source = self._from_memory(self._fetched, digest.update)
            else:
                source = self._whole(digest.update)
            packed = await stack.enter_async_context(aclosing(source))
            whole = self._to_the_end(packed, digest)
            yield await stack.enter_async_context(aclosing(whole))

    async def _to_the_end(
        self, pieces: AsyncIterator[bytes], digest: hashlib._Hash
    ) -> AsyncGenerator[bytes, None]:
        size = 0
        async for piece in pieces:
            size += len(piece)
            yield piece
        self._sha256, self._stored_bytes = digest.hexdigest(), size

    async def _whole(self, observe: Observe) -> AsyncGenerator[bytes, None]:
        found = self._entry.found
        size = 0
        async with self._entry.place.read(found, observe) as chunks:
            async for chunk in fetching(chunks):
                size += len(chunk)
                yield chunk
        if found.size_bytes not in (None, size):
            raise ExtractError(
                f"{found.path} has {size:,} bytes, and its listing said {found.size_bytes:,}: it"
                " has changed while it was read; run again"
            )

    async def _from_memory(self, data: bytes, observe: Observe) -> AsyncGenerator[bytes, None]:
        await self._workers.run(observe, data)
        for at in range(0, len(data), _PIECE_BYTES):
            yield data[at : at + _PIECE_BYTES]

    async def _packed(self, member: Member, observe: Observe) -> AsyncGenerator[bytes, None]:
        inflater = MemberInflater(member)
        reading = self._entry.place.read(
            self._entry.found, _ignore, start=member.offset, length=member.span_bytes
        )
        async with reading as chunks:
            async for chunk in fetching(chunks):
                async with aclosing(self._fed(inflater, chunk, observe)) as pieces:
                    async for piece in pieces:
                        yield piece
                if inflater.is_done:
                    break
        await self._finish(inflater, "a member of a ZIP archive")

    async def _unfolded(
        self, stored: AsyncIterator[bytes], coding: Coding
    ) -> AsyncGenerator[bytes, None]:
        inflater = make_inflater(coding)
        async for chunk in stored:
            async with aclosing(self._fed(inflater, chunk, _ignore)) as pieces:
                async for piece in pieces:
                    yield piece
        await self._finish(inflater, coding)

    async def _fed(
        self, inflater: Inflater, chunk: bytes, observe: Observe
    ) -> AsyncGenerator[bytes, None]:
        """What a chunk unfolds to, so much a job that nothing larger is ever held."""
        pieces = inflater.feed(chunk)
        more = True
        while more:
            try:
                found, more = await self._workers.run(_take, pieces, observe, stage="split")
            except ValueError as exc:
                raise self._broken(exc) from None
            for piece in found:
                yield piece

    async def _finish(self, inflater: Inflater, what: str) -> None:
        try:
            await self._workers.run(inflater.finish)
        except ValueError as exc:
            raise self._broken(exc, what) from None

    def _broken(self, exc: ValueError, what: str = "its compression") -> ExtractError:
        return ExtractError(
            f"{self._info.path} is broken or was cut off: {what}: {exc}; fetch it again"
        )

    async def _path_of_stored(self, stack: AsyncExitStack, rest: AsyncIterator[bytes]) -> Path:
        """Where the stored bytes lie on a local disk, copied there if need be."""
        path = self._entry.place.on_disk(self._entry.found)
        if path is not None and self._entry.member is None:
            return path
        copy = spooled(rest, self._workers, name=self._info.path)
        return await stack.enter_async_context(copy)


def _ignore(_: bytes) -> None:
    """What is hashed elsewhere."""


def _take(pieces: Iterator[bytes], observe: Observe) -> tuple[list[bytes], bool]:
    """Pieces of some 1 MiB together, and whether there may be more."""
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        observe(piece)
        found.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            return found, True
    return found, False


async def _headed(
    stored: AsyncGenerator[bytes, None],
) -> tuple[bytes, AsyncGenerator[bytes, None]]:
    """How the stream begins, and the whole of it."""
    first: list[bytes] = []
    size = 0
    async for piece in stored:
        first.append(piece)
        size += len(piece)
        if size >= _HEAD_BYTES:
            break

    async def whole() -> AsyncGenerator[bytes, None]:
        while first:
            yield first.pop(0)
        async for piece in stored:
            yield piece

    head = b"".join(piece[:_HEAD_BYTES] for piece in first)[:_HEAD_BYTES]
    return head, whole()


def _zstd_pieces(path: Path, name: str) -> Iterator[bytes]:
    """What the frames of a zstd file unfold to (RFC 8878), by Arrow, which reads from a file."""
    try:
        with (
            path.open("rb", buffering=0) as packed,
            pa.CompressedInputStream(
                pa.PythonFile(io.BufferedReader(packed), "r"), "zstd"
            ) as stream,
        ):
            while piece := stream.read(_PIECE_BYTES):
                yield piece
    except OSError as exc:
        raise ExtractError(
            f"{name} is broken or was cut off: zstd: {exc}; fetch it again"
        ) from None
