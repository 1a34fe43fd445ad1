"""The blocking half of the local store. Every function is one job for a worker.

Errors leave as OSError (the async half translates them), except for what the contract
names: Conflict, OutcomeUnknown, and StoreError where the files themselves are wrong.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, final

import msgspec

from bronze_engine.errors import Conflict, OutcomeUnknown, StoreError
from bronze_engine.model.part import Absent, Any, DataFile, Expect, ObjectInfo, Version
from bronze_engine.store.local.flock import FileLock
from bronze_engine.store.local.folder import (
    create_file,
    open_folder,
    prune,
    sync_folder,
    write_all,
)
from bronze_engine.store.local.temporary import name_of_temporary

__all__ = [
    "LOCKS",
    "PUT_STALE_SECONDS",
    "Entry",
    "Reader",
    "complete",
    "get",
    "put",
    "put_lock",
    "remove",
    "walk",
]

LOCKS: Final = "_state"
"""The folder of all lock files: never a partition, which readers list."""
PUT_STALE_SECONDS: Final = 10.0
"""A put takes one fsync; one that has been silent for longer is stopped. If it only is on a
slow disk, it is done again: see `put`."""
_PUT_NAME: Final = re.compile(r"\.put-[0-9a-f]{16}\.tmp")


class Entry(msgspec.Struct, frozen=True):
    """A file or folder as one listing shows it."""

    name: str
    is_folder: bool
    size_bytes: int
    modified: datetime

    @property
    def place(self) -> str:
        """What sorts entries of one folder in the order of the keys below them."""
        return f"{self.name}/" if self.is_folder else self.name


def get(root: str, segments: Sequence[str]) -> bytes | None:
    """A file whole, or None where there is none."""
    try:
        with open_folder(root, segments[:-1]) as folder:
            fd = os.open(segments[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read()


def put(
    root: str, segments: Sequence[str], body: bytes, expect: Expect, *, lenient: bool
) -> Version | None:
    """Compare and replace a file; None, with nothing done, while another process puts here.

    What readers see changes with the rename, whole. An error after it is OutcomeUnknown:
    the new content is visible, but perhaps not on the disk yet.

    The lock belongs to the folder, and is taken from a process that is stopped. Such a one
    may wake up between its comparison and its rename, and still replaces nothing that it
    has not seen: its temporary was written before it saw that the lock was still its own,
    and whoever takes the lock afterwards removes all temporaries before it compares, what
    a killed put has left among them. So either that rename finds nothing to rename, or the
    comparison finds what was renamed.
    """
    folders = segments[:-1]
    lock = put_lock(root, folders, lenient=lenient)
    if not lock.acquire(stale_seconds=PUT_STALE_SECONDS):
        return None
    try:
        _sweep(root, folders)
        current = get(root, segments)
        if not _as_expected(None if current is None else version_of(current), expect):
            raise Conflict("/".join(segments))
        is_done = _replace(root, folders, segments[-1], body, lock)
    finally:
        lock.release()
    return version_of(body) if is_done else None


def put_lock(root: str, folders: Sequence[str], *, lenient: bool = False) -> FileLock:
    """What a put into a folder holds."""
    digest = hashlib.sha256("/".join(folders).encode()).hexdigest()[:16]
    return FileLock(root, (LOCKS,), f".put-{digest}.lock", lenient=lenient)


def complete(root: str, segments: Sequence[str], token: str, file: DataFile) -> ObjectInfo:
    """Give a sealed temporary its name. Done already, with the right size, is fine."""
    key = "/".join(segments)
    name = segments[-1]
    with open_folder(root, segments[:-1]) as folder:
        try:
            _check_size(os.stat(token, dir_fd=folder, follow_symlinks=False), file, key)
            os.rename(token, name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError:
            pass  # completed before, or gone: the next line tells which
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        _check_size(found, file, key)
        sync_folder(folder)
    return ObjectInfo(
        key=key, size_bytes=found.st_size, version=file.sha256, modified=_modified(found)
    )


def remove(root: str, segments: Sequence[str], entry: str) -> None:
    """Remove a file, and the folders that it leaves empty; idempotent."""
    with suppress(FileNotFoundError), open_folder(root, segments[:-1]) as folder:
        os.unlink(entry, dir_fd=folder)
        sync_folder(folder)
    prune(root, segments[:-1])


def walk(
    root: str, folders: Sequence[str], start: str, *, staged: bool
) -> Iterator[tuple[str, Entry]]:
    """Files below a folder with their paths, in key order, of entries that begin with `start`.

    Stepped in workers. Between two steps it holds nothing open, and sees what changes.
    """
    above = "".join(f"{folder}/" for folder in folders)
    skip = f".{start}" if staged else start
    todo = [
        (above, entry)
        for entry in reversed(list_folder(root, folders, staged=staged))
        if entry.name.startswith(start if entry.is_folder else skip)
    ]
    while todo:
        above, entry = todo.pop()
        path = above + entry.name
        if entry.is_folder:
            below = list_folder(root, path.split("/"), staged=staged)
            todo.extend((f"{path}/", each) for each in reversed(below))
        else:
            yield path, entry


def list_folder(root: str, segments: Sequence[str], *, staged: bool) -> list[Entry]:
    """Folders and files of one folder, or folders and dot-temporaries, in key order.

    Symbolic links, and names that are no keys, are not listed.
    """
    entries: list[Entry] = []
    with (
        suppress(FileNotFoundError),
        open_folder(root, segments) as folder,
        os.scandir(folder) as found,
    ):
        for each in found:
            entry = _entry(each, staged=staged)
            if entry is not None:
                entries.append(entry)
    entries.sort(key=lambda entry: entry.place)
    return entries


@final
class Reader:
    """An open file that is read in chunks; `close` is idempotent."""

    def __init__(self, root: str, segments: Sequence[str]) -> None:
        self._root = root
        self._segments = segments
        self._fd = -1

    def open(self) -> None:
        with open_folder(self._root, self._segments[:-1]) as folder:
            flags = os.O_RDONLY | os.O_NOFOLLOW
            self._fd = os.open(self._segments[-1], flags, dir_fd=folder)

    def chunk(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def version_of(body: bytes) -> Version:
    """A version is the content's hash: equal content is the same state, whoever wrote it."""
    return hashlib.sha256(body).hexdigest()


def _as_expected(current: Version | None, expect: Expect) -> bool:
    match expect:
        case Any():
            return True
        case Absent():
            return current is None
        case _:
            return current == expect


def _sweep(root: str, folders: Sequence[str]) -> None:
    """Remove the temporaries of puts that were killed or have lost the lock."""
    with suppress(FileNotFoundError), open_folder(root, folders) as folder:
        with os.scandir(folder) as found:
            names = [each.name for each in found if _PUT_NAME.fullmatch(each.name)]
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def _replace(root: str, folders: Sequence[str], name: str, body: bytes, lock: FileLock) -> bool:
    """Write the temporary and rename it; False where the lock was lost before that."""
    temporary = f".put-{secrets.token_hex(8)}.tmp"
    folder = -1
    is_done = is_unknown = False
    try:
        folder, fd = create_file(root, folders, temporary, os.O_WRONLY | os.O_EXCL)
        try:
            write_all(fd, body, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        is_done = lock.touch() and _rename(folder, temporary, name)
    except OutcomeUnknown:
        is_unknown = True
        raise
    finally:
        if folder >= 0:
            if not is_done and not is_unknown:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
            os.close(folder)
        if not is_done:
            prune(root, folders)
    return is_done


def _rename(folder: int, temporary: str, name: str) -> bool:
    """False where the temporary was removed by whoever has taken the lock."""
    try:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        return False
    except OSError as exc:
        if exc.errno == errno.EIO:
            raise OutcomeUnknown(f"{name}: {exc.strerror} while renaming") from exc
        raise
    try:
        sync_folder(folder)
    except OSError as exc:
        raise OutcomeUnknown(f"{name}: {exc.strerror} after renaming") from exc
    return True


def _check_size(found: os.stat_result, file: DataFile, key: str) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size != file.size_bytes:
        raise StoreError(
            f"{key}: {found.st_size} bytes were found where {file.size_bytes} were staged; "
            "something else writes in this folder",
            key=key,
        )


def _entry(each: os.DirEntry[str], *, staged: bool) -> Entry | None:
    name = each.name
    try:
        name.encode()
        if each.is_symlink():
            return None
        is_folder = each.is_dir(follow_symlinks=False)
        is_temporary = not is_folder and name_of_temporary(name) is not None
        if name.startswith(".") and not is_temporary:
            return None
        if not is_folder and is_temporary != staged:
            return None
        info = each.stat(follow_symlinks=False)
    except (UnicodeEncodeError, FileNotFoundError):  # no key; or removed since it was listed
        return None
    if not is_folder and not stat.S_ISREG(info.st_mode):
        return None
    return Entry(name, is_folder, info.st_size, _modified(info))


def _modified(info: os.stat_result) -> datetime:
    return datetime.fromtimestamp(info.st_mtime, UTC)
