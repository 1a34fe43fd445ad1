"""Folders below the root of a local store, opened so that no key can leave the root.

Every step is taken by file descriptor without following symbolic links, so a link that
someone plants (even meanwhile) is refused rather than followed. All functions block and
run in workers.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["create_file", "open_folder", "prune", "sync_folder", "write_all"]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_TRIES: Final = 16
"""Somebody's `prune` may take a folder away between its making and its use, but not for long."""


@contextmanager
def open_folder(root: str, segments: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """The folder's descriptor for the body. With `make`, what is missing is made, root included.

    Raises FileNotFoundError where it does not exist, OSError for anything else.
    """
    fd = _walk(root, segments, make=make)
    try:
        yield fd
    finally:
        os.close(fd)


def create_file(root: str, segments: Sequence[str], name: str, flags: int) -> tuple[int, int]:
    """Open `name` with O_CREAT, making its folder; returns both descriptors, folder first.

    Where that fails, folders that it has made are removed again.
    """
    try:
        for _ in range(_TRIES):
            folder = _walk(root, segments, make=True)
            try:
                fd = os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o666, dir_fd=folder)
            except FileNotFoundError:  # pruned since: the descriptor names a removed folder
                os.close(folder)
            except BaseException:
                os.close(folder)
                raise
            else:
                return folder, fd
    except OSError:
        prune(root, segments)
        raise
    raise FileNotFoundError(f"{'/'.join(segments)} is removed as often as it is made")


def prune(root: str, segments: Sequence[str]) -> None:
    """Remove the folder and those above it while they are empty; never the root, never raises."""
    for depth in range(len(segments), 0, -1):
        try:
            with open_folder(root, segments[: depth - 1]) as above:
                os.rmdir(segments[depth - 1], dir_fd=above)
        except FileNotFoundError:
            continue  # another has removed it, or it could not be made
        except OSError:
            return


def sync_folder(fd: int) -> None:
    """Have a folder's entries outlive a power cut, where its file system knows how to.

    VirtualBox's shares and SMB of old kernels sync files alone, and refuse this (PostgreSQL's
    fsync_fname_ext goes on then, too).
    """
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise


def write_all(fd: int, data: bytes, offset: int) -> None:
    """pwrite until all is written: a nearly full disk takes less than it is given."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def _walk(root: str, segments: Sequence[str], *, make: bool) -> int:
    for _ in range(_TRIES):
        fd = _open_root(root, make=make)
        try:
            for segment in segments:
                below = _step(fd, segment, make=make)
                os.close(fd)
                fd = below
        except FileNotFoundError:
            os.close(fd)
            if not make:
                raise
        except BaseException:
            os.close(fd)
            raise
        else:
            return fd
    raise FileNotFoundError(f"{'/'.join(segments)} is removed as often as it is made")


def _open_root(root: str, *, make: bool) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY  # the root itself may be a link: the user named it
    try:
        return os.open(root, flags)
    except FileNotFoundError:
        if not make:
            raise
    os.makedirs(root, exist_ok=True)  # noqa: PTH103
    return os.open(root, flags)


def _step(fd: int, segment: str, *, make: bool) -> int:
    try:
        return os.open(segment, _FOLDER, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(segment, dir_fd=fd)
        sync_folder(fd)  # a power cut must not take the folder from under a durable file
    return os.open(segment, _FOLDER, dir_fd=fd)
