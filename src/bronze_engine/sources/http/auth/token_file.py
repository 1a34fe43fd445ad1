"""A file that only its owner may read: the simplest place for rotated tokens."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar, final

from bronze_engine.errors import ConfigError, Conflict, StoreError
from bronze_engine.model.part import Absent, Any, Expect, StoredObject, Version
from bronze_engine.workers import Workers

__all__ = ["TokenFile"]

T = TypeVar("T")

_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES: Final = 1024**2
_TRIES: Final = 500
_LOOK_SECONDS: Final = 0.01


@final
class TokenFile:
    """Implements `credentials.TokenStore` with one file, whatever the key.

    Written whole or not at all, under a lock that dies with its process; the version is the
    hash of the bytes. Raises ConfigError for a file that others may read.
    """

    def __init__(self, path: str, workers: Workers) -> None:
        self._path = Path(path)
        self._workers = workers

    async def get(self, key: str, /) -> StoredObject | None:
        body = await self._workers.run(self._told, self._read)
        return None if body is None else StoredObject(key=key, body=body, version=_version(body))

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        await self._workers.run(self._told, lambda: self._write(key, body, expect))
        return _version(body)

    def _told(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except OSError as exc:
            raise StoreError(
                f"token_store {self._path}: {exc.strerror or exc}; name a file that this user "
                "may read and write"
            ) from exc

    def _read(self) -> bytes | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if mode & _OTHERS:
                raise ConfigError(
                    f"token_store {self._path} can be read by others (mode "
                    f"{stat.S_IMODE(mode):o}); run: chmod 600 {self._path}"
                )
            return file.read(_MOST_BYTES)

    def _write(self, key: str, body: bytes, expect: Expect) -> None:
        self._path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with self._locked():
            there = self._read()
            found: Expect = Absent() if there is None else _version(there)
            if not isinstance(expect, Any) and expect != found:
                raise Conflict(f"{key} has changed")
            self._replace(body)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock for the body, which takes milliseconds unless its process is stopped."""
        path = self._path.with_name(f"{self._path.name}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _MODE)
        try:
            for _ in range(_TRIES):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(_LOOK_SECONDS)  # noqa: TID251  # in a worker
            else:
                raise StoreError(
                    f"token_store {self._path} stays locked; look for a process of bronze that is "
                    "stopped"
                )
            yield
        finally:
            os.close(descriptor)

    def _replace(self, body: bytes) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _version(body: bytes) -> Version:
    return hashlib.sha256(body).hexdigest()
