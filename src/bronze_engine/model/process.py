"""Processes by the names that leases and claims give them."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from functools import cache
from pathlib import Path

import msgspec

__all__ = ["Process", "pid_space"]


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process, and where its id means that."""

    host: str
    pid: int
    space: str = ""
    """`pid_space` of it: hosts may share a name, and containers that of their host."""

    def is_dead(self) -> bool:
        """Whether it is known to be gone: only where its id means it here, never by guess."""
        is_here = (self.host, self.space) == (socket.gethostname(), pid_space())
        if not is_here or not self.space or self.pid <= 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


@cache
def pid_space() -> str:
    """Within what a process id of ours is one process: the boot and the namespace.

    "" where that is not known.

    https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
    """
    if sys.platform != "linux":
        return f"{uuid.getnode():x}"  # no namespaces; random, and so never dead, without a card
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
