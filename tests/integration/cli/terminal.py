"""A process on a terminal of its own, and what a person would see there."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import final

from tests.integration.cli.command import environment

__all__ = ["Screen", "Terminal"]

_CODES = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")

_NOTHING: Mapping[str, str] = MappingProxyType({})

_ON_ITS_TERMINAL = """\
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Only a process that has taken its terminal for its own hears Ctrl-C, and that it closes; the
latter only where whoever runs the tests does not ignore it, as below nohup."""


@final
class Screen:
    """What the codes of a display leave visible. A code that it does not know is an error."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self._has_cursor = True
        self._row = 0
        self._column = 0

    def write(self, text: str) -> None:
        for match in _CODES.finditer(text):
            piece = match[0]
            if piece == "\r":
                self._column = 0
            elif piece == "\n":
                self._row += 1
                if self._row == len(self.lines):
                    self.lines.append("")
            elif match[2] is None:
                line = self.lines[self._row].ljust(self._column)
                end = self._column + len(piece)
                self.lines[self._row] = line[: self._column] + piece + line[end:]
                self._column = end
            else:
                self._obey(match[1], match[2])

    def _obey(self, number: str, code: str) -> None:
        match code:
            case "A":
                self._row = max(0, self._row - int(number or 1))
            case "K" if number == "2":
                self.lines[self._row] = ""
            case "m":
                pass
            case "h" | "l" if number == "?25":
                self._has_cursor = code == "h"
            case _:
                raise AssertionError(f"an unknown code: {number}{code}")

    def has_cursor(self) -> bool:
        return self._has_cursor

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip("\n")


@final
class Terminal:
    """`with Terminal(arguments, folder) as terminal`: a Python process whose standard error,
    and input, is a terminal that controls it; standard output is a pipe."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        columns: int = 100,
        lines: int = 30,
        environ: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.screen = Screen()
        self.written = ""
        """All that has come, codes included."""
        self._master, slave = os.openpty()
        self.resize(columns, lines)
        env = environment(**({"TERM": "xterm-256color"} | dict(environ)))
        for name in ("CI", "NO_COLOR", "COLUMNS", "LINES"):
            if name not in environ:
                env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_ITS_TERMINAL, *arguments],
            cwd=folder,
            env=env,
            text=True,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.close()

    def close(self) -> None:
        """As a window is closed, or a line breaks: the process is told by SIGHUP. Idempotent."""
        master, self._master = self._master, -1
        if master >= 0:
            os.close(master)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press_ctrl_c(self) -> float:
        """When it was pressed; `end` says how long ago that was."""
        os.write(self._master, b"\x03")
        return time.monotonic()

    def send(self, number: signal.Signals) -> float:
        self.process.send_signal(number)
        return time.monotonic()

    def until(self, condition: Callable[[Screen], bool]) -> None:
        """Read until the screen is so; AssertionError with the screen after a minute."""
        deadline = time.monotonic() + 60
        while not condition(self.screen):
            assert time.monotonic() < deadline, self.screen.text
            assert self._read(), f"it has ended:\n{self.screen.text}"

    def end(self, since: float | None = None) -> tuple[int, str, float]:
        """Exit status, standard output, and seconds until the end."""
        began = time.monotonic() if since is None else since
        while self._read():
            assert time.monotonic() < began + 60, self.screen.text
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out, time.monotonic() - began

    def _read(self) -> bool:
        """Take what comes in a moment; False when nothing will any more."""
        if not select.select([self._master], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            return False
        text = data.decode()
        self.written += text
        self.screen.write(text)
        return bool(data)
