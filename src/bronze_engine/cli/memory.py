"""What runs may hold, beside what the container lets the process have."""

from __future__ import annotations

import logging
from typing import Final

from bronze_engine.machine import memory_bytes

__all__ = ["warn_of_memory"]

log = logging.getLogger(__name__)

_MEBIBYTE: Final = 1024**2
_BESIDE: Final = 128
"""MiB that the interpreter, its libraries and what they keep take; the peak of a run of 5,000 rows
is 113 (measured)."""
_LEAST: Final = 64
"""MiB with which a run begins."""


def warn_of_memory(limit_bytes: int) -> None:
    """Warn where `engine.memory_limit` is more than the kernel will let this process have: what
    it kills has no last word in the log."""
    available_bytes = memory_bytes()
    if available_bytes is None:
        return
    limit, available = limit_bytes // _MEBIBYTE, available_bytes // _MEBIBYTE
    fitting = available - _BESIDE
    if limit <= fitting:
        return
    lower = f', or set engine.memory_limit = "{fitting}MiB"' if fitting >= _LEAST else ""
    log.warning(
        "engine.memory_limit is %d MiB, and this container has %d MiB for all, of which Python and"
        " its libraries take about %d: runs that need their memory may be killed by the kernel,"
        " with 137 and without a word; give it %d MiB%s",
        limit,
        available,
        _BESIDE,
        limit + _BESIDE,
        lower,
    )
