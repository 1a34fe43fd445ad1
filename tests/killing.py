"""A warm process that forks runs to be killed: the tests' side of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

REPOSITORY = Path(__file__).parents[1]


class KillServer:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, command: msgspec.Struct) -> list[int]:
        """Run what `command` says in children; returns how each of them ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=list[int])


@contextmanager
def kill_server(module: str) -> Iterator[KillServer]:
    """Start `module`, which reads a command a line and answers with a list of statuses."""
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield KillServer(process)
        assert process.stdin is not None
        process.stdin.close()


def hidden_or_empty(root: Path) -> list[str]:
    """Dotfiles, temporaries, locks, and empty folders."""
    found: list[str] = []
    for above, folders, files in os.walk(root):
        found += [f"{above}/{name}" for name in files if name.startswith(".") or ".lock" in name]
        if not folders and not files:
            found.append(above)
    return found
