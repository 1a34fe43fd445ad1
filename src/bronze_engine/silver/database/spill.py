"""The folder on disk of one Silver run: what does not fit into memory, and copies of files.

    {spill_dir}/bronze-silver-{pid}-{run}/     0700; gone when the run ends
        .lock                                  held by flock for as long as the run lives

A killed process leaves its folder behind. The next run that spills to the same place removes
it: a lock that can be had is nobody's. Process ids are only for people, for a container has its
own, and several may share one volume. Where the file system has no locks nothing is removed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from bronze_engine.errors import StoreError
from bronze_engine.workers import Workers

__all__ = ["free_bytes", "open_spill", "spill_folder"]

log = logging.getLogger(__name__)

_PREFIX: Final = "bronze-silver-"
_UNBORN: Final = ".bronze-silver-"
"""A folder whose lock is not held yet; renamed once it is."""
_LOCK: Final = ".lock"
_UNBORN_SECONDS: Final = 3600.0
"""Making a folder takes three calls. One that is older without a lock is a dead process's."""


@asynccontextmanager
async def open_spill(spill_dir: str | None, run: str, workers: Workers) -> AsyncIterator[Path]:
    """A folder of this run's own below `spill_dir` (None: the system's temporary directory).

    First removes what killed processes have left there. On exit, cancelled or not, the folder is
    gone. Raises StoreError (STG001) where it can't be made.
    """
    made: list[tuple[Path, int]] = []  # also of a caller that is cancelled while it is made
    try:
        await workers.run(lambda: made.append(_make(spill_dir, run)))
        yield made[0][0]
    finally:
        for folder, lock in made:
            await workers.clean(_unmake, folder, lock)


@contextmanager
def spill_folder(spill_dir: str | None, run: str) -> Iterator[Path]:
    """`open_spill` for a command, which blocks."""
    folder, lock = _make(spill_dir, run)
    try:
        yield folder
    finally:
        _unmake(folder, lock)


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there; 0 where that can't be known."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _make(spill_dir: str | None, run: str) -> tuple[Path, int]:
    parent = Path(spill_dir or _temporary()).absolute()
    name = f"{os.getpid()}-{run}"
    unborn, folder = parent / f"{_UNBORN}{name}", parent / f"{_PREFIX}{name}"
    lock = -1
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        unborn.mkdir(mode=0o700)
        lock = os.open(unborn / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with suppress(OSError):  # without locks nobody else removes it either
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unborn.rename(folder)
    except OSError as exc:
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(unborn, ignore_errors=True)
        raise StoreError(
            f"{parent}: no folder for Silver's temporary files can be made there "
            f"({exc.strerror or exc}); mend that, or set engine.spill_dir to another place",
            path=str(parent),
            errno=exc.errno,
        ) from exc
    return folder, lock


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as exc:  # a container whose disk can only be read
        raise StoreError(
            "no folder for Silver's temporary files: none of the system's own can be written to"
            f" ({exc.strerror or exc}); set engine.spill_dir to one that can"
        ) from exc


def _unmake(folder: Path, lock: int) -> None:
    """Remove the folder while its lock is held: nobody else may take it for a dead one's."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
    if folder.exists():
        log.warning("%s could not be removed whole; the next run tries again", folder)


def _sweep(parent: Path) -> None:
    with os.scandir(parent) as entries:
        found = [
            Path(entry.path)
            for entry in entries
            if entry.name.startswith((_PREFIX, _UNBORN)) and entry.is_dir(follow_symlinks=False)
        ]
    for folder in found:
        _bury(folder)


def _bury(folder: Path) -> None:
    """Remove the folder if its process is dead; of another user's nothing can be told."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        _bury_unlocked(folder)
        return
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.name.startswith(_PREFIX) or _is_old(folder):
            log.info("%s was left by a process that died; it is removed", folder)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # alive, or no locks here
    finally:
        os.close(lock)


def _bury_unlocked(folder: Path) -> None:
    """Without a lock it is about to get one, or its process was killed within these steps."""
    with suppress(OSError):
        if _is_old(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_old(folder: Path) -> bool:
    found = folder.stat(follow_symlinks=False)
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > _UNBORN_SECONDS
