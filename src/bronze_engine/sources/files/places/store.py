"""Files of an object store, through the contract that partitions land by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from typing import Final, final

from bronze_engine.contracts import Store
from bronze_engine.errors import ExtractError, StoreError
from bronze_engine.model.part import ObjectInfo
from bronze_engine.sources.files.glob import Glob
from bronze_engine.sources.files.places.place import Found, Observe
from bronze_engine.workers import Workers

__all__ = ["StorePlace"]

_NEAR_NAMES: Final = 1000
"""Keys that are looked at for a message: one listing's page."""


@final
class StorePlace:
    """The objects of one store. A key is the object's."""

    is_remote: Final = True

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    async def scan(self, pattern: str, /) -> AsyncIterator[Found]:
        """List what begins as the pattern does up to its first wildcard, and no more."""
        glob = Glob(pattern)
        with _as_source():
            async for info in self._store.scan(glob.literal):
                if glob.matches(info.key) and not info.key.endswith("/"):  # a folder's marker
                    yield self._found(info)

    async def near(self, pattern: str, /) -> Sequence[str]:
        literal = Glob(pattern).literal
        folder = literal.rpartition("/")[0]
        names: list[str] = []
        async for info in self._store.scan(f"{folder}/" if folder else ""):
            names.append(info.key)
            if len(names) == _NEAR_NAMES:
                break
        return [
            f"{self._store.url}/{key}" for key in get_close_matches(pattern, names, 3, cutoff=0.3)
        ]

    @asynccontextmanager
    async def read(
        self, file: Found, observe: Observe, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        with _as_source():
            async with self._store.read(file.key, start=start, length=length) as chunks:
                yield self._observed(chunks, observe)

    async def _observed(
        self, chunks: AsyncIterator[bytes], observe: Observe
    ) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            await self._workers.run(observe, chunk)
            yield chunk

    async def look(self, file: Found, /) -> Found:
        return file

    def on_disk(self, file: Found, /) -> None:  # noqa: ARG002
        return

    def _found(self, info: ObjectInfo) -> Found:
        return Found(
            key=info.key,
            path=f"{self._store.url}/{info.key}",
            size_bytes=info.size_bytes,
            modified=info.modified,
            version=info.version,
        )


@contextmanager
def _as_source() -> Iterator[None]:
    """A store that can't be read is a fault of the source here."""
    try:
        yield
    except StoreError as exc:
        raise ExtractError(exc.message, **exc.context) from exc
