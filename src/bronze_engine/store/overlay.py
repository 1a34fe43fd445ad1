"""A store that is read as it is, and whose new objects lie in another one: for what only tries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import final

from bronze_engine.contracts import Store, Upload
from bronze_engine.errors import StoreError
from bronze_engine.model.part import Expect, ObjectInfo, Staged, StoredObject, Version

__all__ = ["Overlay"]


@final
class Overlay:
    """`below`, of which nothing is changed; keys that are `ours` are those of `above` alone.

    Raises StoreError for a write to any other key.
    """

    def __init__(self, below: Store, above: Store, ours: Callable[[str], bool]) -> None:
        self._below = below
        self._above = above
        self._ours = ours

    @property
    def url(self) -> str:
        return self._below.url

    async def get(self, key: str, /) -> StoredObject | None:
        return await self._of(key).get(key)

    def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._of(key).read(key, start=start, length=length)

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        return await self._written(key).put(key, body, expect=expect)

    def stage(self, key: str, /) -> AbstractAsyncContextManager[Upload]:
        return self._written(key).stage(key)

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        return await self._written(staged.key).complete(staged)

    async def discard(self, staged: Staged, /) -> None:
        await self._written(staged.key).discard(staged)

    async def delete(self, key: str, /) -> None:
        await self._written(key).delete(key)

    def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        return self._of(prefix).scan(prefix)

    def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        return self._of(prefix).scan_staged(prefix)

    async def now(self) -> datetime:
        return await self._above.now()

    def _of(self, key: str) -> Store:
        return self._above if self._ours(key) else self._below

    def _written(self, key: str) -> Store:
        if not self._ours(key):
            raise StoreError(f"{key} would be written, and {self.url} is only looked at", key=key)
        return self._above
