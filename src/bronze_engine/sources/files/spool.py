"""Temporary copies on the local disk, for readers that seek."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, final

import anyio

from bronze_engine.errors import ExtractError
from bronze_engine.workers import Workers

__all__ = ["spooled"]

_DESCRIPTORS: Final = "/proc/self/fd"
"""Of Linux: opening one of them opens its file anew, even where that has no name any more. What
other systems have in its place (/dev/fd) shares its position among all readers."""


@asynccontextmanager
async def spooled(
    chunks: AsyncIterator[bytes], workers: Workers, *, name: str
) -> AsyncIterator[Path]:
    """A copy of a file in the system's directory for temporaries (TMPDIR); gone on leaving.

    On Linux it has no name there, so that not even a process that is killed leaves it behind.
    Raises ExtractError where the disk does not take it. `name` is the file's, for messages.
    """
    copy = _Copy()
    try:
        try:
            path = await workers.run(copy.begin)
        except OSError as exc:
            raise _refusal(exc, name) from exc
        async for chunk in chunks:
            try:
                await workers.run(copy.write, chunk)
            except OSError as exc:
                raise _refusal(exc, name) from exc
        yield path
    finally:
        with anyio.CancelScope(shield=True):
            try:
                await workers.run(copy.remove)
            finally:
                copy.remove()  # what a native task.cancel(), which passes shields, has kept up


@final
class _Copy:
    """The file, known here from the moment at which it is there: a job whose caller is cancelled
    has no other way to say what it has made."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: str | None = None

    def begin(self) -> Path:
        self._descriptor, self._path = tempfile.mkstemp(prefix="bronze-")
        nameless = f"{_DESCRIPTORS}/{self._descriptor}"
        if not os.path.exists(nameless):  # noqa: PTH110
            return Path(self._path)
        self._unlink()
        return Path(nameless)

    def write(self, chunk: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101  # it has begun
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def remove(self) -> None:
        """As often as one likes."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        self._unlink()

    def _unlink(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            Path(path).unlink(missing_ok=True)


def _refusal(exc: OSError, name: str) -> ExtractError:
    # Of a file system that can only be read there is no such folder.
    folder = tempfile.tempdir or "a temporary folder"
    return ExtractError(
        f"{name} can't be copied to {folder}: {exc.strerror or exc}; point TMPDIR to a disk with"
        " room for it"
    )
