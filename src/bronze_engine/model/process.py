"""Processes by the names that leases and claims give them."""

from __future__ import annotations

import os
import socket

__all__ = ["is_dead"]


def is_dead(host: str, pid: int) -> bool:
    """Whether a process is known to be gone: only on this host, and never by guess."""
    if host != socket.gethostname() or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
