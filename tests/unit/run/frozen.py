"""A store whose process stands still at one operation, until it is told to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import anyio

from bronze_engine.contracts import Store, Upload
from bronze_engine.model.part import Expect, ObjectInfo, Staged, StoredObject, Version

__all__ = ["FrozenStore"]


class FrozenStore:
    """`contracts.Store` over another one: a stopped process, a virtual machine that is moved.

    From the operation on of which `when` says so, by its number and its method, nothing is done
    nor answered until `thaw`. Nothing of it is seen meanwhile, renewals of its lease included.
    """

    def __init__(self, store: Store, when: Callable[[int, str], bool]) -> None:
        self.frozen = anyio.Event()
        self._store = store
        self._when = when
        self._operations = 0
        self._thawed = anyio.Event()

    def thaw(self) -> None:
        self._thawed.set()

    @property
    def url(self) -> str:
        return self._store.url

    async def _step(self, method: str) -> None:
        self._operations += 1
        if self._when(self._operations, method):
            self.frozen.set()
        if self.frozen.is_set():
            await self._thawed.wait()

    async def get(self, key: str, /) -> StoredObject | None:
        await self._step("get")
        return await self._store.get(key)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await self._step("read")
        async with self._store.read(key, start=start, length=length) as chunks:
            yield chunks

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        await self._step("put")
        return await self._store.put(key, body, expect=expect)

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        await self._step("stage")
        async with self._store.stage(key) as upload:
            yield upload

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        await self._step("complete")
        return await self._store.complete(staged)

    async def discard(self, staged: Staged, /) -> None:
        await self._step("discard")
        await self._store.discard(staged)

    async def delete(self, key: str, /) -> None:
        await self._step("delete")
        await self._store.delete(key)

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        await self._step("scan")
        async for info in self._store.scan(prefix):
            yield info

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        await self._step("scan_staged")
        async for staged in self._store.scan_staged(prefix):
            yield staged

    async def now(self) -> datetime:
        await self._step("now")
        return await self._store.now()
