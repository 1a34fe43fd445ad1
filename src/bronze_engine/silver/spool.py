"""The files of a lake as local paths that DuckDB can open, verified on the way.

DuckDB sees names of ours in the spill folder, never those of the lake: it would take `*`, `?`
and `[` in a path for a pattern, and `dt=2025-01-15` for a column. Files with types that it has
not are written anew there (`rewriting`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, final

import anyio
import pyarrow as pa

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.part import DataFile
from bronze_engine.silver.rewriting import must_rewrite, rewriting
from bronze_engine.silver.spill import free_bytes
from bronze_engine.store.local.store import LocalStore
from bronze_engine.workers import Workers

__all__ = ["Spool", "Verify", "root_of"]

log = logging.getLogger(__name__)

Verify = Literal["strict", "warn", "off"]

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
        self, store: Store, folder: str, file: DataFile, *, verify: Verify = "strict"
    ) -> Path:
        """A path whose content is what the manifest says of `folder`'s `file`.

        Raises StoreError (STG001) naming the file, its store and what differs: its size, its
        sha256, or that it is gone. With "warn" another content is a warning; with "off" nobody
        looks. Raises StoreError too where the copy has no room.
        """
        key = f"{folder}/{file.name}"
        entry = self._paths.setdefault((id(store), key), _Entry(len(self._paths)))
        async with entry.lock:
            if entry.path is None:
                async with self._slots:
                    entry.path = await self._read(store, key, file, entry.number, verify)
        return entry.path

    async def _read(
        self, store: Store, key: str, file: DataFile, number: int, verify: Verify
    ) -> Path:
        path = self._spill / f"{number:06}-{key.rpartition('/')[2]}"
        root = root_of(store)
        try:
            if root is not None:
                await self._hash(store, key, file, verify)
                await self._workers.run(os.symlink, f"{root}/{key}", path)
            else:
                await self._copy(store, key, file, path, verify)
        except OSError as exc:
            free = free_bytes(self._spill)
            raise StoreError(
                f"{path}: {exc.strerror or exc} while {key} of {store.url} was copied there "
                f"({file.size_bytes} bytes, {free} free); free some space, or set "
                "engine.spill_dir to another disk, and run again",
                path=str(path),
            ) from exc
        return await self._readable(store, key, path)

    async def _readable(self, store: Store, key: str, path: Path) -> Path:
        """The path of what DuckDB reads exactly: the file, or what was made of it."""
        try:
            if not await self._workers.run(must_rewrite, path):
                return path
            other = path.with_name(f"{path.name}.carried.parquet")
            async with self._workers.iterate(rewriting(path, other)) as steps:
                async for _ in steps:
                    pass
            await self._workers.run(path.unlink)
        except (pa.ArrowException, OSError) as exc:
            raise StoreError(
                f"{key} in {store.url} can't be read as Parquet ({exc}); nothing was published. "
                "Land that date again, or see `bronze verify`",
                key=key,
            ) from exc
        return other

    async def _hash(self, store: Store, key: str, file: DataFile, verify: Verify) -> None:
        """Of all bytes; with "off" of the first, which tells that there are some."""
        size = 0
        digest = hashlib.sha256()
        length = 1 if verify == "off" else None
        async with store.read(key, length=length) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                await self._workers.run(digest.update, chunk)
        self._judge(store, key, file, size, digest.hexdigest(), verify)

    async def _copy(
        self, store: Store, key: str, file: DataFile, path: Path, verify: Verify
    ) -> None:
        copy = _Copy(path, hashed=verify != "off")
        try:
            await self._workers.run(copy.open)
            async with store.read(key) as chunks:
                async for chunk in chunks:
                    await self._workers.run(copy.write, chunk)
        finally:
            with anyio.CancelScope(shield=True):
                await self._workers.run(copy.close)
        self._judge(store, key, file, copy.size, copy.digest.hexdigest(), verify)

    def _judge(
        self, store: Store, key: str, file: DataFile, size: int, digest: str, verify: Verify
    ) -> None:
        if verify == "off":
            return
        if size != file.size_bytes:
            differs = f"{size} bytes, where its manifest says {file.size_bytes}"
        elif digest != file.sha256:
            differs = f"sha256 {digest}, where its manifest says {file.sha256}"
        else:
            return
        if verify == "warn":
            self._warn(f"{key} in {store.url} has {differs}; it is read as it is")
            return
        raise StoreError(
            f"{key} in {store.url} has {differs}; nothing was published. Land that date again, or "
            "see `bronze verify`",
            key=key,
        )


@final
class _Entry:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = anyio.Lock()
        self.path: Path | None = None


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
