"""The table on a terminal: drawn four times a second, below the lines of the log."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Final, final

import msgspec
from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.drawn import Drawn
from bronze_engine.cli.display.frame import Frame
from bronze_engine.cli.display.groups import Groups
from bronze_engine.clock import Clock
from bronze_engine.engine import Engine
from bronze_engine.telemetry.events import Event

__all__ = ["LiveTable"]

log = logging.getLogger(__name__)

FRAME_SECONDS: Final = 0.25
SLOWEST_SECONDS: Final = 2.0

SHARE: Final = 0.01
"""Of the event loop's time. A frame takes 1 ms or so; where a busy machine, a slow terminal or
hundreds of rows make it more, frames are drawn less often."""

_SHOW_CURSOR: Final = b"\r\n\x1b[?25h"

Divert = Callable[[Callable[[str], None]], AbstractContextManager[None]]
"""Hands the lines that the log writes to the terminal to a function, while it is entered."""


@final
class LiveTable:
    """A hook and the table that it feeds; shown from the first run on, and gone at the end.

    Lines of the log are kept until the next frame and stand above it. A frame is drawn on the
    loop: rich's own thread would draw amid what the events change.
    """

    def __init__(self, clock: Clock, console: Console, divert: Divert) -> None:
        self._clock = clock
        self._console = console
        self._divert = divert
        self._board = Board(clock)
        self._lines: deque[str] = deque()
        self._drawn = Drawn()
        self._live: Live | None = None
        self._log = ExitStack()
        self._is_diverted = False
        self._is_stopping = False

    def __call__(self, event: Event, /) -> None:
        self._board(event)
        if not self._is_diverted and not self._board.is_empty:
            self._is_diverted = True
            self._log.enter_context(self._divert(self._lines.append))

    async def show(self, engine: Engine) -> None:
        """Draw until cancelled; then the terminal is as it was before the first frame."""
        groups = Groups(engine)
        pause = FRAME_SECONDS
        try:
            while True:
                await self._clock.sleep(pause)
                if self._board.is_empty:
                    continue
                began = self._clock.monotonic()
                self._board.sample()
                statistics = engine.statistics()
                groups.note(statistics.limit_groups)
                self._drawn.frame = Frame(
                    board=self._board,
                    statistics=statistics,
                    group_of=groups.of,
                    is_stopping=self._is_stopping,
                )
                self._draw()
                taken = self._clock.monotonic() - began
                pause = min(max(FRAME_SECONDS, taken / SHARE), SLOWEST_SECONDS)
        except (OSError, ValueError):  # the terminal is gone; the runs are not
            log.debug("the display has no terminal any more", exc_info=True)
        except Exception:  # an observer must not decide what becomes of a run
            log.warning("the display failed, and the runs go on without it", exc_info=True)
        finally:
            self._end()

    def stopping(self) -> None:
        """Say that the work is being stopped; at once, for it may be gone before the next frame."""
        self._is_stopping = True
        if self._drawn.frame is not None:
            self._drawn.frame = msgspec.structs.replace(self._drawn.frame, is_stopping=True)
            with suppress(OSError, ValueError):
                self._draw()

    def restore(self) -> None:
        """Give the cursor back at once, from any thread, for a process that ends without more.

        The last frame stays, and what the log has said since it was drawn follows.
        """
        if self._live is not None:
            with suppress(OSError, ValueError):
                rest = "".join(self._lines).encode("utf-8", "backslashreplace")
                os.write(self._console.file.fileno(), _SHOW_CURSOR + rest)

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(
                self._drawn,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._measure()
        self._drawn.unwrap(self._console)
        above = self._taken()
        if above:
            self._console.print(Text(above.rstrip("\n")), soft_wrap=True)
        else:
            self._live.refresh()

    def _measure(self) -> None:
        """Take the terminal's size as it is now: COLUMNS, which rich goes by, may be an old one."""
        with suppress(OSError, ValueError):
            columns, lines = os.get_terminal_size(self._console.file.fileno())
            if columns and lines:  # a terminal that was given no size says 0
                self._console.size = ConsoleDimensions(columns, lines)

    def _taken(self) -> str:
        """The lines of the log since the last frame; threads may add to them meanwhile."""
        taken: list[str] = []
        while self._lines:
            taken.append(self._lines.popleft())
        return "".join(taken)

    def _end(self) -> None:
        try:
            if self._live is not None:
                with suppress(OSError, ValueError):
                    self._drawn.unwrap(self._console)
                    self._drawn.frame = None
                    self._live.stop()
                self._live = None
        finally:
            self._log.close()
            rest = self._taken()
            if rest:
                with suppress(OSError, ValueError):
                    self._console.file.write(rest)
                    self._console.file.flush()
