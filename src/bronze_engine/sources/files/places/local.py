"""Files of this machine, and of file systems that it mounts. All disk work is done in workers."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Final, final

from bronze_engine.config.files.place import has_wildcard
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.glob import one_part
from bronze_engine.sources.files.places.place import Found, Observe
from bronze_engine.workers import Workers

__all__ = ["LocalPlace"]

_CHUNK_BYTES: Final = 1024**2
_LISTED_AT_ONCE: Final = 512
_NEAR_NAMES: Final = 1000
"""Names of a directory that are looked at for a message."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@final
class LocalPlace:
    """The file system. A key is the absolute path.

    `holds_copies`: its files are ours, copied from where they lie.
    """

    sends_parts: Final = True

    def __init__(self, workers: Workers, *, holds_copies: bool = False) -> None:
        self._workers = workers
        self.is_remote: Final = holds_copies

    async def scan(self, pattern: str, /) -> AsyncIterator[Found]:
        walk = _matches(pattern)
        while found := await self._workers.run(_next_few, walk):
            for each in found:
                yield each

    async def near(self, pattern: str, /) -> Sequence[str]:
        return await self._workers.run(_near, pattern)

    @asynccontextmanager
    async def read(
        self, file: Found, observe: Observe, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        pieces = _pieces(file, observe, start, length)
        async with self._workers.iterate(pieces) as stream:
            yield stream

    async def look(self, file: Found, /) -> Found | None:
        return file if self.is_remote else await self._workers.run(_found, file.key)

    def on_disk(self, file: Found, /) -> Path:
        return Path(file.key)


def _next_few(walk: Iterator[Found]) -> list[Found]:
    return list(islice(walk, _LISTED_AT_ONCE))


def _matches(pattern: str) -> Iterator[Found]:
    if has_wildcard(pattern):
        if "*" not in pattern and (whole := _found(pattern)) is not None:
            yield whole  # a name with brackets in it, written as it is
            return
        parts = pattern.split("/")
        first = next(place for place, part in enumerate(parts) if has_wildcard(part))
        yield from _below("/".join(parts[:first]) or "/", parts[first:])
        return
    whole = _found(pattern)
    if whole is not None:
        yield whole
    elif _is_directory(pattern):
        raise ExtractError(f"{pattern} is a directory; write {pattern}/* for the files in it")


def _below(folder: str, parts: Sequence[str]) -> Iterator[Found]:
    """The files below a directory that match the rest of a pattern, by name."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _below(folder, rest or ["*"])
    is_match = re.compile(one_part("*" if part == "**" else part), re.DOTALL).fullmatch
    for entry in _entries(folder):
        if is_match(entry.name) is None:
            continue
        path = f"{folder.rstrip('/')}/{entry.name}"
        if part == "**":
            # Links are not followed here: one that leads upwards would have no end.
            if entry.is_dir(follow_symlinks=False):
                yield from _below(path, parts)
        elif rest:
            if _leads_to(path, entry.is_dir):
                yield from _below(path, rest)
        elif _leads_to(path, entry.is_file):
            if (found := _found(path)) is not None:
                yield found
        elif entry.is_symlink() and not os.path.exists(path):  # noqa: PTH110
            raise ExtractError(f"{path} is a link to a file that is not there; mend or remove it")


def _leads_to(path: str, is_kind: Callable[[], bool]) -> bool:
    """What an entry says of itself; a link that can't be followed is an error of its own."""
    try:
        return is_kind()
    except OSError as exc:
        raise _error(exc, path) from exc


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise _error(exc, folder) from exc


def _found(path: str) -> Found | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # a Path costs as much again
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise _error(exc, path) from exc
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for who writes to it
        raise ExtractError(f"{path} is no regular file; write what it gives to one")
    modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ExtractError(f"{path!r} has a name that is no UTF-8; rename it") from None
    return Found(key=path, path=path, size_bytes=status.st_size, modified=modified)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _pieces(file: Found, observe: Observe, start: int, length: int | None) -> Iterator[bytes]:
    left = length
    try:
        with open(file.key, "rb", buffering=0) as stream:  # noqa: PTH123
            stream.seek(start)
            while left is None or left > 0:
                size = _CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES)
                piece = stream.read(size)
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                observe(piece)
                yield piece
    except OSError as exc:
        raise _error(exc, file.path) from exc


def _near(pattern: str) -> list[str]:
    folder, _, name = pattern.rpartition("/")
    while has_wildcard(folder):
        folder, _, name = folder.rpartition("/")
    if not _is_directory(folder or "/"):
        return []
    names = [entry.name for entry in _entries(folder or "/")[:_NEAR_NAMES]]
    shown = [each for each in names if not each.startswith(".")]
    return [f"{folder}/{each}" for each in get_close_matches(name, shown, n=3, cutoff=0.3)]


def _error(exc: OSError, path: str) -> ExtractError:
    if isinstance(exc, FileNotFoundError):
        return ExtractError(f"{path} is gone; run again")
    if isinstance(exc, PermissionError):
        return ExtractError(f"{path} can't be read: this user may not; see its mode and owner")
    return ExtractError(f"{path} can't be read: {exc.strerror or exc}")
