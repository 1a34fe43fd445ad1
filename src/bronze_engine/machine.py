"""How much of its machine this process may use: a container has fewer cores and less memory.

The limits are those of its control groups, version 1 and 2 (Linux, Documentation/admin-guide/
cgroup-v1 and cgroup-v2.rst), and of its affinity. What sets none, another system included, has all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["cores", "memory_bytes"]

_ROOT: Final = Path("/sys/fs/cgroup")
_OURS: Final = Path("/proc/self/cgroup")
_UNLIMITED_BYTES: Final = 1 << 60
"""What version 1 says of no limit is the largest number of whole pages."""


def cores() -> int:
    """How many it may keep busy: a quota of two and a half is three."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [math.ceil(quota) for quota in map(_quota, _groups("cpu")) if quota is not None]
    return max(1, min([there or 1, *quotas]))


def memory_bytes() -> int | None:
    """What the kernel lets it hold before it kills it; None where only the machine ends."""
    return min((size for size in map(_limit, _groups("memory")) if size is not None), default=None)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of its control groups, from its own up: the limit of each holds.

    A container may see its own as the root, whatever its path outside is.
    """
    for line in _text(_OURS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _ROOT / controllers
        own = PurePosixPath(path).relative_to("/")
        if ".." not in own.parts:  # a group beside that of a container that has been entered
            yield from (root / each for each in (own, *own.parents) if each.parts)
        yield root


def _quota(group: Path) -> float | None:
    """Cores, of which a CPU limit is a share of each period."""
    share, _, period = _text(group / "cpu.max").partition(" ")
    if not share:
        share = _text(group / "cpu.cfs_quota_us")
        period = _text(group / "cpu.cfs_period_us")
    if not (share.isdecimal() and period.isdecimal()):  # "max", "-1"
        return None
    return int(share) / int(period)


def _limit(group: Path) -> int | None:
    limit = _text(group / "memory.max") or _text(group / "memory.limit_in_bytes")
    if not limit.isdecimal() or int(limit) >= _UNLIMITED_BYTES:
        return None
    return int(limit)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
