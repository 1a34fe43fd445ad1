"""The disk as tests have it: processes are killed here, machines are not.

What a process has written outlives it, however it ends; `os.fsync` is for a machine that loses
power. To wait for it was a twelfth of a small run's time, and half where the disk was busy.
Commands that tests start as users do still wait.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["never_fails"]


def never_fails() -> None:
    """From here on `os.fsync` of this process only sees that its file is open."""
    os.fsync = _look


def _look(fd: FileDescriptorLike) -> None:
    os.fstat(fd if isinstance(fd, int) else fd.fileno())
