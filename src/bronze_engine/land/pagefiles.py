"""The files of captured pages of one slice: pages in, staged files out, one file open at a time.

A file rolls over by bytes, between two pages. Small pages are gathered, so that one job
compresses many; a large one is encoded piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final, final

from bronze_engine.contracts import Store, Upload
from bronze_engine.encode.pages import PagesEncoder
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.page_json import encode_page
from bronze_engine.model.part import Part, Staged
from bronze_engine.workers import Workers

__all__ = ["GATHERED_BYTES", "PageFiles"]

GATHERED_BYTES: Final = 1024**2
"""Bodies that wait for the next job: 10 ms of a worker, and few jobs for pages of a few KiB."""


@final
class PageFiles:
    """Writes one slice's captured pages. Leave it to remove the file that is still open.

    `name(n)` is the n-th file's path within the partition.
    """

    def __init__(
        self,
        *,
        store: Store,
        partition: str,
        name: Callable[[int], str],
        max_bytes: int,
        workers: Workers,
    ) -> None:
        self._store = store
        self._partition = partition
        self._name = name
        self._max_bytes = max_bytes
        self._workers = workers
        self._held: list[CapturedPage] = []
        self._held_bytes = 0
        self._open: _OpenFile | None = None
        self.staged: list[Staged] = []
        """Files that are whole, in order."""

    async def __aenter__(self) -> PageFiles:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._open is not None:
            await self._open.stack.aclose()

    async def write(self, page: CapturedPage) -> None:
        """Take one page, in order; waits while what was taken before is being sent."""
        self._held.append(page)
        self._held_bytes += len(page.body)
        if self._held_bytes >= GATHERED_BYTES:
            await self._write_held()

    async def finish(self) -> None:
        """Write what is left, and end the last file."""
        if self._held:
            await self._write_held()
        await self._close()

    async def _write_held(self) -> None:
        pages, self._held, self._held_bytes = self._held, [], 0
        if self._open is None:
            self._open = await self._begin()
        file = self._open
        pieces = (piece for page in pages for piece in encode_page(page))
        is_more = True
        while is_more:
            parts, is_more = await self._workers.run(_encode, file.encoder, pieces, stage="encode")
            for part in parts:
                await file.upload.part(part)
        if file.encoder.bytes_written >= self._max_bytes:
            await self._close()

    async def _begin(self) -> _OpenFile:
        encoder = PagesEncoder(self._name(len(self.staged)))
        async with AsyncExitStack() as stack:
            key = f"{self._partition}/{encoder.name}"
            upload = await stack.enter_async_context(self._store.stage(key))
            return _OpenFile(encoder, upload, stack.pop_all())

    async def _close(self) -> None:
        if self._open is None:
            return
        file = self._open
        parts, described = await self._workers.run(file.encoder.finish, stage="encode")
        for part in parts:
            await file.upload.part(part)
        self.staged.append(await file.upload.seal(described))
        self._open = None
        await file.stack.aclose()


def _encode(encoder: PagesEncoder, pieces: Iterator[bytes]) -> tuple[Sequence[Part], bool]:
    """One job: as many pieces as one frame holds; whether there may be more."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= GATHERED_BYTES:
            break
    parts = encoder.write(b"".join(gathered)) if gathered else ()
    return parts, size >= GATHERED_BYTES


@final
class _OpenFile:
    def __init__(self, encoder: PagesEncoder, upload: Upload, stack: AsyncExitStack) -> None:
        self.encoder = encoder
        self.upload = upload
        self.stack = stack
