"""`type = "announced"`: a store around another one, that writes a line for each commit.

    [stores.lake]
    type = "announced"
    store = "disk"          # another entry of [stores]
    log = "commits.ndjson"

A line is written once the manifest is there, so what it names can be read. A process that is
killed in between writes none: whoever must not miss a commit lists the manifests too.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Self

import msgspec

from bronze_engine.plugins import (
    CustomStore,
    Expect,
    Locking,
    ObjectInfo,
    Staged,
    Store,
    StoreConfig,
    StoredObject,
    StoreResources,
    Upload,
    Version,
    Workers,
)

__all__ = ["Announced", "AnnouncedConfig"]


class AnnouncedConfig(CustomStore, frozen=True, kw_only=True, tag="announced"):
    """A store whose commits are announced in a file."""

    store: StoreConfig
    log: str
    """Relative to pipelines.toml; one JSON object a line."""

    @property
    def location(self) -> str:
        return self.store.location

    @property
    def wrapped(self) -> StoreConfig:
        return self.store

    def resolved(self, absolute: Callable[[str], str], /) -> Self:
        return msgspec.structs.replace(self, log=absolute(self.log))


class Announced:
    """The store type: found by its entry point, made without arguments."""

    config = AnnouncedConfig

    @asynccontextmanager
    async def open(
        self, config: AnnouncedConfig, resources: StoreResources, /
    ) -> AsyncIterator[Store]:
        async with resources.open_store(config.store) as inner:
            log = Path(config.log)
            if isinstance(inner, Locking):  # as local disks are: leases are then locks
                yield _LockingAnnounced(inner, log, resources.workers, inner)
            else:
                yield _Announced(inner, log, resources.workers)


class _Announced:
    """Passes everything on."""

    def __init__(self, inner: Store, log: Path, workers: Workers) -> None:
        self._inner = inner
        self._log = log
        self._workers = workers

    @property
    def url(self) -> str:
        return self._inner.url

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        version = await self._inner.put(key, body, expect=expect)
        if key.endswith("/_metadata.json"):
            await self._workers.run(_append, self._log, key, body)
        return version

    async def get(self, key: str, /) -> StoredObject | None:
        return await self._inner.get(key)

    def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.read(key, start=start, length=length)

    def stage(self, key: str, /) -> AbstractAsyncContextManager[Upload]:
        return self._inner.stage(key)

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        return await self._inner.complete(staged)

    async def discard(self, staged: Staged, /) -> None:
        await self._inner.discard(staged)

    async def delete(self, key: str, /) -> None:
        await self._inner.delete(key)

    def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        return self._inner.scan(prefix)

    def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        return self._inner.scan_staged(prefix)

    async def now(self) -> datetime:
        return await self._inner.now()


class _LockingAnnounced(_Announced):
    def __init__(self, inner: Store, log: Path, workers: Workers, locks: Locking) -> None:
        super().__init__(inner, log, workers)
        self._locks = locks

    def lock(
        self, key: str, note: bytes, /, *, stale_seconds: float = inf
    ) -> AbstractAsyncContextManager[None]:
        return self._locks.lock(key, note, stale_seconds=stale_seconds)

    async def touch_lock(self, key: str, /) -> bool:
        return await self._locks.touch_lock(key)

    async def lock_note(self, key: str, /) -> bytes | None:
        return await self._locks.lock_note(key)

    async def excludes(self) -> bool:
        return await self._locks.excludes()


def _append(log: Path, key: str, manifest: bytes) -> None:
    told = json.loads(manifest)
    line = {"partition": key.rpartition("/")[0], "generation": told["generation"]}
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "rows": told["row_count"]}) + "\n")
