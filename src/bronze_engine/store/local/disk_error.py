"""What the operating system answers, as the StoreError that says what to do about it."""

from __future__ import annotations

import errno
from typing import Final

from bronze_engine.errors import StoreError
from bronze_engine.store.local.flock import NO_LOCKS

__all__ = ["disk_error"]

_FULL = "the disk (or its quota) is full; free some space and run again"
_DENIED = "permission denied; let this user read and write there, or choose another target"
_SHAPE = (
    "a part of the path is no directory, or is a symbolic link, which a store does not follow; "
    "move it out of the way"
)
_NEXT_STEP: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the file system is read-only; mount it writable, or choose another target",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOTDIR: _SHAPE,
    errno.ELOOP: _SHAPE,
    errno.EEXIST: _SHAPE,
    errno.EISDIR: "a directory stands where a file belongs; move it out of the way",
    errno.ENOENT: "it does not exist; was it removed meanwhile?",
    errno.EMFILE: "too many open files; raise `ulimit -n`, or lower engine.max_pipelines",
    errno.ENFILE: "too many open files on this machine",
    errno.ENAMETOOLONG: "the path is too long for this file system; shorten the target",
    errno.EIO: "the disk failed (I/O error); look at the machine's log",
} | dict.fromkeys(
    NO_LOCKS,
    "the file system has no working locks; set single_writer = true on the store if no "
    "other process writes there, or choose another target",
)


def disk_error(exc: OSError, path: str) -> StoreError:
    """Translate by errno alone. `path` is the full path that the operation was about."""
    told = _NEXT_STEP.get(exc.errno or 0, f"{exc.strerror or exc}")
    return StoreError(f"{path}: {told}", path=path, errno=exc.errno)
