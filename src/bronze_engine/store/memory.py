"""A store in memory: for tests, and for services that embed the engine and keep nothing.

It has no locks, so runs lease by conditional put, as on S3 and Azure.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, final

import msgspec

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.contracts import Upload
from bronze_engine.errors import Conflict, StoreError
from bronze_engine.model.part import (
    Absent,
    Any,
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.store.keys import check_key, check_prefix
from bronze_engine.store.parts import check_part, sealed_size

__all__ = ["MemoryStore"]

CHUNK_BYTES: Final = 1 << 20


class _Object(msgspec.Struct, frozen=True):
    body: bytes
    version: Version
    modified: datetime


@final
class MemoryStore:
    """`contracts.Store` over two dicts. Its content lives as long as the object.

    `latency_seconds` is waited through the clock before each operation takes effect;
    an operation cancelled in that time has done nothing. Versions count up, so the same
    content written twice has two of them, as on object storage.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK, *, latency_seconds: float = 0.0) -> None:
        self._clock = clock
        self._latency_seconds = latency_seconds
        self._objects: dict[str, _Object] = {}
        self._staged: dict[str, tuple[str, bytes | None]] = {}
        """Token -> key and content; None while parts are still coming."""
        self._count = 0

    @property
    def url(self) -> str:
        return "memory:"

    async def get(self, key: str, /) -> StoredObject | None:
        check_key(key)
        await self._wait()
        found = self._objects.get(key)
        if found is None:
            return None
        return StoredObject(key=key, body=found.body, version=found.version)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        check_key(key)
        await self._wait()
        found = self._objects.get(key)
        if found is None:
            raise StoreError(f"{key}: it does not exist; was it removed meanwhile?", key=key)
        end = len(found.body) if length is None else min(len(found.body), start + length)
        yield self._chunks(found.body, start, end)

    async def _chunks(self, body: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        for offset in range(start, end, CHUNK_BYTES):
            await self._wait()
            yield body[offset : min(end, offset + CHUNK_BYTES)]

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        check_key(key)
        await self._wait()
        found = self._objects.get(key)
        match expect:
            case Any():
                pass
            case Absent():
                if found is not None:
                    raise Conflict(key)
            case _:
                if found is None or found.version != expect:
                    raise Conflict(key)
        return self._store(key, body).version

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        check_key(key)
        await self._wait()
        token = f"upload-{self._next()}"
        self._staged[token] = (key, None)
        try:
            yield _MemoryUpload(key, token, self._wait, self._staged)
        finally:
            if token in self._staged and self._staged[token][1] is None:
                del self._staged[token]

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        check_key(staged.key)
        if staged.file is None:
            raise StoreError(f"{staged.key}: found by a scan; it can only be discarded")
        await self._wait()
        _, body = self._staged.get(staged.token, (staged.key, None))
        if body is not None:
            if hashlib.sha256(body).hexdigest() != staged.file.sha256:
                raise StoreError(f"{staged.key}: what was staged has another sha256")
            self._store(staged.key, body)
            del self._staged[staged.token]
        found = self._objects.get(staged.key)
        if found is None or len(found.body) != staged.file.size_bytes:
            raise StoreError(f"{staged.key}: the staged file is gone; run again")
        return _info(staged.key, found)

    async def discard(self, staged: Staged, /) -> None:
        check_key(staged.key)
        await self._wait()
        self._staged.pop(staged.token, None)

    async def delete(self, key: str, /) -> None:
        check_key(key)
        await self._wait()
        self._objects.pop(key, None)

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        check_prefix(prefix)
        await self._wait()
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            found = self._objects.get(key)
            if found is not None:
                yield _info(key, found)

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        check_prefix(prefix)
        await self._wait()
        for token, (key, _) in sorted(self._staged.items(), key=lambda item: item[1][0]):
            if key.startswith(prefix):
                yield Staged(key=key, token=token)

    async def now(self) -> datetime:
        await self._wait()
        return self._clock.now()

    def _store(self, key: str, body: bytes) -> _Object:
        stored = _Object(body, f"v{self._next()}", self._clock.now())
        self._objects[key] = stored
        return stored

    def _next(self) -> int:
        self._count += 1
        return self._count

    async def _wait(self) -> None:
        # Also with no latency: every operation of a real store lets other tasks run.
        await self._clock.sleep(self._latency_seconds)


@final
class _MemoryUpload:
    def __init__(
        self,
        key: str,
        token: str,
        wait: Callable[[], Awaitable[None]],
        staged: dict[str, tuple[str, bytes | None]],
    ) -> None:
        self._key = key
        self._token = token
        self._wait = wait
        self._staged = staged
        self._parts: dict[int, Part] = {}

    async def part(self, part: Part, /) -> None:
        check_part(self._key, part)
        await self._wait()
        self._parts[part.number] = part

    async def settle(self) -> None:
        """Each part was waited for when it came."""

    async def seal(self, file: DataFile, /) -> Staged:
        await self._wait()
        places = {number: (part.offset, part.size_bytes) for number, part in self._parts.items()}
        sealed_size(self._key, places, file)
        body = b"".join(self._parts[number].data for number in sorted(self._parts))
        if self._token not in self._staged:
            raise StoreError(f"{self._key}: it was discarded meanwhile; run again")
        self._staged[self._token] = (self._key, body)
        return Staged(key=self._key, token=self._token, file=file)


def _info(key: str, found: _Object) -> ObjectInfo:
    return ObjectInfo(
        key=key, size_bytes=len(found.body), version=found.version, modified=found.modified
    )
