"""The files of a lake as local paths that DuckDB can open, verified on the way.

DuckDB sees names of ours in the spill folder, never those of the lake: it would take `*`, `?`
and `[` in a path for a pattern, and `dt=2025-01-15` for a column. Files with types that it has
not are written anew there (`rewriting`).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, final

import anyio
import msgspec
import pyarrow as pa

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, StoreError
from bronze_engine.model.part import DataFile
from bronze_engine.silver.database.fault import unreadable
from bronze_engine.silver.database.rewriting import must_rewrite, rewriting
from bronze_engine.silver.database.spill import free_bytes
from bronze_engine.store.local.store import LocalStore
from bronze_engine.workers import Workers

__all__ = ["LAND_AGAIN", "Spool", "Verify", "root_of"]

log = logging.getLogger(__name__)

Verify = Literal["strict", "warn", "off"]

LAND_AGAIN: Final = "Land that date again, or see `bronze verify`"

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
AT_ONCE: Final = 4
"""Files that are read side by side, a chunk of 1 MiB of each."""


def root_of(store: Store) -> str | None:
    """The directory of a local store, whose files are opened where they lie; else None."""
    # DuckDB takes a backslash for a slash, and would look elsewhere: such files are copied.
    return store.url if isinstance(store, LocalStore) and "\\" not in store.url else None


@final
class Spool:
    """Verified local paths of data files: `async with`, for as long as they are read.

    A file of a local store is hashed where it lies; one of any other store is copied to the
    spill folder while it is hashed. Each file is read once, however often it is asked for.
    """

    def __init__(
        self, workers: Workers, spill: Path, *, warn: Callable[[str], None] = log.warning
    ) -> None:
        """`warn` is told of what is read although it differs."""
        self._workers = workers
        self._warn = warn
        self._spill = spill / "files"
        self._slots = anyio.Semaphore(AT_ONCE)
        self._paths: dict[tuple[int, str], _Entry] = {}

    async def __aenter__(self) -> Spool:
        await self._workers.run(self._spill.mkdir)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """The copies go with the spill folder."""
        self._paths.clear()

    async def path(
        self,
        store: Store,
        folder: str,
        file: DataFile,
        *,
        verify: Verify = "strict",
        remedy: str = LAND_AGAIN,
    ) -> Path:
        """A path whose content is what the manifest says of `folder`'s `file`.

        Raises StoreError (STG001) naming the file, its store and what differs: its size, its
        sha256, or that it is gone; `remedy` says what to do about it. With "warn" another content
        is a warning; with "off" nobody looks. Raises StoreError too where the copy has no room.
        """
        key = f"{folder}/{file.name}"
        entry = self._paths.setdefault((id(store), key), _Entry(len(self._paths)))
        async with entry.lock:
            if entry.path is None:
                read = _Read(store, key, file, verify, remedy)
                try:
                    async with self._slots:
                        entry.path = await self._read(read, entry.number)
                except StoreError as exc:
                    if await _is_there(read):
                        raise
                    raise StoreError(
                        f"{exc.message} Its manifest names it, and nothing was published. {remedy}",
                        **exc.context,
                    ) from exc
        return entry.path

    async def _read(self, read: _Read, number: int) -> Path:
        path = self._spill / f"{number:06}-{read.key.rpartition('/')[2]}"
        root = root_of(read.store)
        try:
            if root is not None:
                await self._hash(read)
                await self._workers.run(os.symlink, f"{root}/{read.key}", path)
            else:
                await self._copy(read, path)
        except OSError as exc:
            raise self._full(read, path, exc) from exc
        return await self._readable(read, path)

    async def _readable(self, read: _Read, path: Path) -> Path:
        """The path of what DuckDB reads exactly: the file, or what was made of it."""
        other = path.with_name(f"{path.name}.carried.parquet")
        try:
            if not await self._workers.run(must_rewrite, path):
                return path
            async with self._workers.iterate(rewriting(path, other)) as steps:
                async for _ in steps:
                    pass
            await self._workers.run(path.unlink)
        except (pa.ArrowException, OSError) as exc:
            if isinstance(exc, OSError) and exc.errno in _NO_ROOM:
                raise self._full(read, other, exc) from exc
            name = f"{read.key} in {read.store.url}"
            raise unreadable(name, exc, read.remedy, key=read.key) from exc
        return other

    def _full(self, read: _Read, path: Path, exc: OSError) -> StoreError:
        free = free_bytes(self._spill)
        return StoreError(
            f"{path}: {exc.strerror or exc} while {read.key} of {read.store.url} was copied there "
            f"({read.file.size_bytes} bytes, {free} free); free some space, or set "
            "engine.spill_dir to another disk, and run again",
            path=str(path),
        )

    async def _hash(self, read: _Read) -> None:
        """Of all bytes; with "off" of the first, which tells that there are some."""
        size = 0
        digest = hashlib.sha256()
        length = 1 if read.verify == "off" else None
        async with read.store.read(read.key, length=length) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                await self._workers.run(digest.update, chunk)
        self._judge(read, size, digest.hexdigest())

    async def _copy(self, read: _Read, path: Path) -> None:
        copy = _Copy(path, hashed=read.verify != "off")
        try:
            await self._workers.run(copy.open)
            async with read.store.read(read.key) as chunks:
                async for chunk in chunks:
                    await self._workers.run(copy.write, chunk)
        finally:
            await self._workers.clean(copy.close)
        self._judge(read, copy.size, copy.digest.hexdigest())

    def _judge(self, read: _Read, size: int, digest: str) -> None:
        file = read.file
        if read.verify == "off":
            return
        if size != file.size_bytes:
            differs = f"{size} bytes, where its manifest says {file.size_bytes}"
        elif digest != file.sha256:
            differs = f"sha256 {digest}, where its manifest says {file.sha256}"
        else:
            return
        told = f"{read.key} in {read.store.url} has {differs}"
        if read.verify == "warn":
            self._warn(f"{told}; it is read as it is")
            return
        raise StoreError(f"{told}; nothing was published. {read.remedy}", key=read.key)


class _Read(msgspec.Struct, frozen=True, eq=False):
    """One file that is asked for."""

    store: Store
    key: str
    file: DataFile
    verify: Verify
    remedy: str


@final
class _Entry:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = anyio.Lock()
        self.path: Path | None = None


async def _is_there(read: _Read) -> bool:
    """Where the store can't be asked, what it raised before tells of its own fault."""
    try:
        return any([info.key == read.key async for info in read.store.scan(read.key)])
    except BronzeError:
        return True


@final
class _Copy:
    """A file that is written and hashed. All methods block and run in workers."""

    def __init__(self, path: Path, *, hashed: bool) -> None:
        self._path = path
        self._hashed = hashed
        self._fd = -1
        self.size = 0
        self.digest = hashlib.sha256()

    def open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def write(self, chunk: bytes) -> None:
        if self._hashed:
            self.digest.update(chunk)
        self.size += len(chunk)
        left = memoryview(chunk)
        while left:
            left = left[os.write(self._fd, left) :]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
