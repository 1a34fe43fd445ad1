"""Files of an object store, through the contract that partitions land by."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from typing import Final, final

from bronze_engine.contracts import Store, Telling
from bronze_engine.errors import ExtractError, StoreError
from bronze_engine.model.part import ObjectInfo
from bronze_engine.sources.files.glob import Glob
from bronze_engine.sources.files.places.place import Found, Observe
from bronze_engine.workers import Workers

__all__ = ["StorePlace"]

_SLASHES: Final = re.compile("/+")
_NEAR_NAMES: Final = 1000
"""Keys that are looked at for a message: one listing's page."""


@final
class StorePlace:
    """The objects of one store. A key is the object's."""

    is_remote: Final = True
    sends_parts: Final = True

    def __init__(self, store: Store, workers: Workers, warn: Callable[[str], object]) -> None:
        """`warn` is told of what matches and can't be read by its name."""
        self._store = store
        self._workers = workers
        self._warn = warn

    async def scan(self, pattern: str, /) -> AsyncIterator[Found]:
        """List what begins as the pattern does up to its first wildcard, and no more."""
        glob = Glob(pattern)
        left_out = _LeftOut(glob)
        store = self._store
        listed = (
            store.scan_telling(glob.literal, left_out)
            if isinstance(store, Telling)
            else store.scan(glob.literal)
        )
        with _as_source():
            async for info in listed:
                if glob.matches(info.key) and not info.key.endswith("/"):  # a folder's marker
                    yield self._found(info)
        if left_out.count:
            self._warn(left_out.told(f"{store.url}/{pattern}"))

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


@final
class _LeftOut:
    """What a listing leaves out and the pattern means."""

    def __init__(self, glob: Glob) -> None:
        self.count = 0
        self._glob = glob
        self._why = ""

    def __call__(self, key: str, why: str, /) -> None:
        # Whoever writes ** means what lies below an empty part, too.
        is_meant = self._glob.matches(key) or self._glob.matches(_SLASHES.sub("/", key))
        if is_meant and not key.endswith("/"):
            self.count += 1
            self._why = self._why or why

    def told(self, pattern: str) -> str:
        if self.count == 1:
            return f"1 object that matches {pattern} is left out: {self._why}"
        objects = f"{self.count:,} objects that match {pattern}"
        return f"{objects} are left out, of which the first: {self._why}"


@contextmanager
def _as_source() -> Iterator[None]:
    """A store that can't be read is a fault of the source here."""
    try:
        yield
    except StoreError as exc:
        raise ExtractError(exc.message, **exc.context) from exc
