"""A directory as a store.

Nothing becomes visible before it is whole and on the disk: files are written under a
dot-name, fsynced and renamed, and the folder is fsynced. Conditional puts compare the
content under a flock. All disk work is done in workers.
"""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final, Protocol, TypeVar, final

import anyio

from bronze_engine.clock import Clock
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Upload
from bronze_engine.errors import Conflict, StoreError
from bronze_engine.model.part import (
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.model.profile import Stage
from bronze_engine.store.keys import check_key, check_prefix
from bronze_engine.store.local import disk
from bronze_engine.store.local.disk_error import disk_error
from bronze_engine.store.local.flock import FileLock
from bronze_engine.store.local.temporary import Temporary, name_of_temporary
from bronze_engine.workers import Workers

__all__ = ["LocalStore", "open_local"]

T = TypeVar("T")

CHUNK_BYTES: Final = 1 << 20
PARTS_IN_FLIGHT: Final = 4
"""Parts of one file that are being written at once; more only queue in the disk."""
SCAN_ENTRIES: Final = 512
"""Entries listed in one job: a hop to a worker costs as much as several small folders."""
PUT_WAIT_SECONDS: Final = 2 * disk.PUT_STALE_SECONDS
"""How long a put waits for those of other processes in the same folder, stopped ones included."""
_LOCK_FREE: Final = 3
_PROBE: Final = (
    "import fcntl,sys\n"
    "try: fcntl.flock(open(sys.argv[1]),fcntl.LOCK_EX|fcntl.LOCK_NB)\n"
    "except BlockingIOError: sys.exit(0)\n"
    f"sys.exit({_LOCK_FREE})"
)


@asynccontextmanager
async def open_local(
    config: LocalStoreConfig, workers: Workers, clock: Clock
) -> AsyncIterator[LocalStore]:
    """Open the directory `config.path`.

    It is made by the first write: looking at a store that does not exist yet finds it
    empty and leaves nothing behind. The store holds nothing open between operations, so
    leaving this has nothing to close.
    """
    try:
        root = await workers.run(os.path.realpath, config.path)
    except OSError as exc:
        raise disk_error(exc, config.path) from exc
    yield LocalStore(root, workers, clock, lenient=config.single_writer)


@final
class LocalStore:
    """`contracts.Store` and `contracts.Locking` on a directory. Made by `open_local`.

    Cancellation: an operation that has begun is done when it raises; a put may have been
    applied then. An upload that is left unsealed has removed its temporary.
    """

    def __init__(self, root: str, workers: Workers, clock: Clock, *, lenient: bool) -> None:
        self._root = root
        self._workers = workers
        self._clock = clock
        self._lenient = lenient
        self._putting = anyio.Lock()
        """Puts of one process queue here, in order; only other processes are polled for."""
        self._locks: dict[str, FileLock] = {}
        """Those that are held, by their key."""

    @property
    def url(self) -> str:
        return self._root

    async def get(self, key: str, /) -> StoredObject | None:
        body = await self._job(key, disk.get, self._root, check_key(key))
        if body is None:
            return None
        return StoredObject(key=key, body=body, version=disk.version_of(body))

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        reader = disk.Reader(self._root, check_key(key))
        try:
            await self._job(key, reader.open)
            yield self._chunks(key, reader, start, length)
        finally:
            await _to_its_end(partial(self._job, key, reader.close))

    async def _chunks(
        self, key: str, reader: disk.Reader, offset: int, length: int | None
    ) -> AsyncIterator[bytes]:
        end = None if length is None else offset + length
        while end is None or offset < end:
            size = CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - offset)
            chunk = await self._job(key, reader.chunk, offset, size)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        segments = check_key(key)
        attempt = partial(disk.put, self._root, segments, body, expect, lenient=self._lenient)
        deadline = self._clock.monotonic() + PUT_WAIT_SECONDS
        async with self._putting:
            while True:
                version = await self._job(key, attempt)
                if version is not None:
                    return version
                if self._clock.monotonic() > deadline:
                    raise StoreError(
                        f"{self._path(key)}: another process has been writing in this folder "
                        f"for {PUT_WAIT_SECONDS:.0f} s; run again, or end it",
                        key=key,
                    )
                await self._clock.sleep(self._clock.uniform(0.002, 0.02))

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        temporary = Temporary(self._root, key, check_key(key))
        upload = _LocalUpload(temporary, partial(self._job, key))
        try:
            await self._job(key, temporary.create)
            yield upload
        finally:
            try:
                await _to_its_end(upload.drain)
            finally:
                await _to_its_end(partial(self._job, key, temporary.abort))

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        if staged.file is None:
            raise StoreError(f"{staged.key}: found by a scan; it can only be discarded")
        segments = self._check_staged(staged)
        return await self._job(
            staged.key, disk.complete, self._root, segments, staged.token, staged.file
        )

    async def discard(self, staged: Staged, /) -> None:
        segments = self._check_staged(staged)
        await self._job(staged.key, disk.remove, self._root, segments, staged.token)

    async def delete(self, key: str, /) -> None:
        segments = check_key(key)
        await self._job(key, disk.remove, self._root, segments, segments[-1])

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        async for key, entry in self._walk(prefix, staged=False):
            yield ObjectInfo(
                key=key, size_bytes=entry.size_bytes, version=None, modified=entry.modified
            )

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        async for place, entry in self._walk(prefix, staged=True):
            name = name_of_temporary(entry.name)
            if name is not None:
                yield Staged(key=place.removesuffix(entry.name) + name, token=entry.name)

    async def now(self) -> datetime:
        """The host's clock."""
        return self._clock.now()

    @asynccontextmanager
    async def lock(
        self, key: str, note: bytes, /, *, stale_seconds: float = math.inf
    ) -> AsyncIterator[None]:
        """Hold a lock named by a key below `_state/`; its file is hidden from scans."""
        lock = self._lock_file(key)
        try:
            if not await self._job(key, partial(lock.acquire, note, stale_seconds=stale_seconds)):
                raise Conflict(f"{key} is locked")
            self._locks[key] = lock
            yield
        finally:
            if self._locks.get(key) is lock:
                del self._locks[key]
            await _to_its_end(partial(self._job, key, lock.release))

    async def touch_lock(self, key: str, /) -> bool:
        lock = self._locks.get(key)
        return lock is not None and await self._job(key, lock.touch)

    async def lock_note(self, key: str, /) -> bytes | None:
        return await self._job(key, self._lock_file(key).note)

    async def excludes(self) -> bool:
        """Whether a second process finds a lock held that this one holds.

        File systems that only pretend to lock (some network mounts) let it pass.
        """
        return await self._job(disk.LOCKS, self._probe)

    def _probe(self) -> bool:
        lock = FileLock(self._root, (disk.LOCKS,), ".probe.lock")
        if not lock.acquire():
            return True  # another process is probing, and its lock has kept us out
        try:
            if getattr(sys, "frozen", False) or not sys.executable:
                return True  # no interpreter at hand to ask
            path = os.path.join(self._root, disk.LOCKS, ".probe.lock")  # noqa: PTH118
            second = subprocess.run(  # noqa: S603  # our own interpreter and our own text
                [sys.executable, "-I", "-S", "-c", _PROBE, path],
                check=False,
                timeout=10,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
        except subprocess.TimeoutExpired:
            return False  # it waits for a lock that it was told not to wait for
        except OSError:
            return True  # this user may not start it, or no process at all
        finally:
            lock.release()
        return second.returncode != _LOCK_FREE

    def _lock_file(self, key: str) -> FileLock:
        segments = check_key(key)
        if segments[0] != disk.LOCKS or len(segments) == 1:
            raise StoreError(f"{key!r} can't name a lock: it must lie below {disk.LOCKS}/")
        return FileLock(self._root, segments[:-1], f".{segments[-1]}", lenient=self._lenient)

    def _check_staged(self, staged: Staged) -> tuple[str, ...]:
        segments = check_key(staged.key)
        if name_of_temporary(staged.token) != segments[-1]:
            raise StoreError(f"{staged.key}: {staged.token!r} is no temporary of it")
        return segments

    async def _walk(self, prefix: str, *, staged: bool) -> AsyncIterator[tuple[str, disk.Entry]]:
        folders, start = check_prefix(prefix)
        walk = disk.walk(self._root, folders, start, staged=staged)
        while True:
            found = await self._job(prefix, _next_few, walk)
            for each in found:
                yield each
            if len(found) < SCAN_ENTRIES:  # no second job to learn that there are no more
                return

    async def _job(
        self, key: str, function: Callable[..., T], /, *args: object, stage: Stage | None = None
    ) -> T:
        try:
            return await self._workers.run(function, *args, stage=stage)
        except OSError as exc:
            raise disk_error(exc, self._path(key)) from exc

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


def _next_few(walk: Iterator[tuple[str, disk.Entry]]) -> list[tuple[str, disk.Entry]]:
    return list(islice(walk, SCAN_ENTRIES))


class _Job(Protocol):
    async def __call__(
        self, function: Callable[..., T], /, *args: object, stage: Stage | None = None
    ) -> T: ...


@final
class _LocalUpload:
    def __init__(self, temporary: Temporary, job: _Job) -> None:
        self._temporary = temporary
        self._job = job
        self._slots = anyio.Semaphore(PARTS_IN_FLIGHT)
        self._writing = 0
        self._idle = anyio.Event()

    async def part(self, part: Part, /) -> None:
        async with self._slots:
            self._writing += 1
            try:
                await self._job(self._temporary.write, part, stage="upload")
            finally:
                self._writing -= 1
                if not self._writing:
                    self._idle.set()

    async def settle(self) -> None:
        """Each part was waited for when it came."""

    async def seal(self, file: DataFile, /) -> Staged:
        staged = await self._job(self._temporary.seal, file, stage="upload")
        self._temporary.keep = True
        return staged

    async def drain(self) -> None:
        """Wait for parts still being written: their descriptor must not be closed (and its
        number given to another file) under a thread."""
        while self._writing:
            self._idle = anyio.Event()
            await self._idle.wait()


async def _to_its_end(function: Callable[[], Awaitable[None]]) -> None:
    """Clean up, however often the caller is cancelled meanwhile; `function` is idempotent."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while True:
            try:
                await function()
                break
            except asyncio.CancelledError as exc:  # a native task.cancel() passes shields
                cancelled = exc
    if cancelled is not None:
        raise cancelled
