"""On what was measured: the two environments, their packages, and the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from benchmarks.harness.measure import ROOT, Skipped

__all__ = ["HERE", "RIVALS", "machine", "make_rivals", "versions"]

HERE: Final = Path(sys.executable)
RIVALS: Final = ROOT / ".bench-venv/bin/python"
"""Rivals live in an environment of their own: their dependencies must not decide ours."""


def make_rivals() -> None:
    """Install what requirements/rivals.txt pins. Raises Skipped where that can't be done."""
    if not _install():
        raise Skipped("the rivals' environment could not be made")


@cache
def _install() -> bool:
    print("making the rivals' environment", file=sys.stderr)
    done = subprocess.run(["make", "--silent", ".bench-venv/.rivals"], cwd=ROOT, check=False)
    return done.returncode == 0 and RIVALS.exists()


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of ours, of Python, and of those packages that the rivals' environment has, or else ours."""
    here = {name: version(name) for name in packages if _is_here(name)}
    found = {"bronze-engine": version("bronze-engine"), "Python": platform.python_version(), **here}
    if packages and RIVALS.exists():
        asked = (
            "import importlib.metadata as m, json, sys;"
            "known = {d.metadata['Name'].lower(): d.version for d in m.distributions()};"
            "print(json.dumps({n: known[n] for n in sys.argv[1:] if n in known}))"
        )
        told = subprocess.run(
            [RIVALS, "-c", asked, *packages], capture_output=True, text=True, check=True
        )
        found |= json.loads(told.stdout)
    return found


def _is_here(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def machine() -> str:
    """Cores, memory, processor and kernel, in one line."""
    gib = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {gib} GiB, {_processor()}, {system}"


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
