"""A lock that dies with its process: flock on a file that exists only while it is held.

The file is unlinked before the lock is given up. Whoever was waiting on it then holds
the lock of a file that has no name; so a taker compares the inode it has locked with
the one that the name leads to now, and begins again where they differ. All methods
block (briefly: nothing here waits for a lock) and run in workers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, final

from bronze_engine.store.local.folder import create_file, open_folder, prune, write_all

__all__ = ["NO_LOCKS", "FileLock"]

NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems without flock answer."""
_TRIES: Final = 100
_LOOK_SECONDS: Final = 0.001
"""Longer than a look at the note takes."""


@final
class FileLock:
    """One attempt to hold one lock. `lenient` takes a file system without flock as free."""

    def __init__(
        self, root: str, segments: Sequence[str], name: str, *, lenient: bool = False
    ) -> None:
        self._root = root
        self._segments = tuple(segments)
        self._name = name
        self._lenient = lenient
        self._held: tuple[int, int] | None = None

    def acquire(self, note: bytes = b"", *, stale_seconds: float | None = None) -> bool:
        """Take the lock and write the note, or return False at once. Raises OSError.

        With `stale_seconds` it is also taken from a living holder that has not touched it
        for so long: that process is stopped, and may wake up believing that it holds it.
        """
        for _ in range(_TRIES):
            folder, fd = create_file(self._root, self._segments, self._name, os.O_RDWR)
            is_ours = False
            try:
                if not self._exclusive(fd):
                    if stale_seconds is not None and self._oust(folder, fd, stale_seconds):
                        continue
                    break
                is_ours = self._is_current(folder, fd)
            finally:
                if not is_ours:
                    os.close(fd)
                    os.close(folder)
            if is_ours:
                self._held = (folder, fd)
                self._begin(fd, note)
                return True
        return False

    def _begin(self, fd: int, note: bytes) -> None:
        try:
            os.ftruncate(fd, 0)
            write_all(fd, note, 0)
            os.utime(fd)  # the file may be that of a process that died long ago
        except BaseException:
            self.release()
            raise

    def touch(self) -> bool:
        """Say that the holder is alive; False where the lock is not held, or not any more."""
        if self._held is None:
            return False
        folder, fd = self._held
        os.utime(fd)
        return self._is_current(folder, fd)

    def release(self) -> None:
        """Remove the file and give the lock up; idempotent, never raises.

        The explicit unlock matters where the process has forked: a child's copy of the
        descriptor would hold the lock on.
        """
        if self._held is None:
            return
        folder, fd = self._held
        self._held = None
        with suppress(OSError):
            if self._is_current(folder, fd):  # else another has taken it over meanwhile
                os.unlink(self._name, dir_fd=folder)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)
        os.close(folder)
        prune(self._root, self._segments)

    def note(self) -> bytes | None:
        """What the holder wrote, or None where nobody holds the lock."""
        try:
            with open_folder(self._root, self._segments) as folder:
                fd = os.open(self._name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            return None
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return os.pread(fd, 1 << 16, 0)
            return None  # the file of a process that died
        finally:
            os.close(fd)

    def _exclusive(self, fd: int) -> bool:
        """Lock `fd`, or see that another holds it. A mere look at the note is no holder."""
        try:
            for _ in range(_TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                try:
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                time.sleep(_LOOK_SECONDS)  # noqa: TID251  # in a worker
        except OSError as exc:
            if self._lenient and exc.errno in NO_LOCKS:
                return True
            raise
        return False

    def _oust(self, folder: int, fd: int, stale_seconds: float) -> bool:
        """Take the name from a holder that has been silent for too long.

        Of two that do so at once, the second may take it from the first, who then sees by
        `touch` that it was lost. A lock around this would only be one more to be stopped in.
        """
        os.utime(folder)  # for the clock of the file system: a mounted one's is its server's
        if os.fstat(folder).st_mtime - os.fstat(fd).st_mtime < stale_seconds:
            return False
        if self._is_current(folder, fd):
            with suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=folder)
        return True

    def _is_current(self, folder: int, fd: int) -> bool:
        try:
            named = os.stat(self._name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(fd))
