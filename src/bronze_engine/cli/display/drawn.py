"""A frame on the terminal, and how many lines of it the terminal now has."""

from __future__ import annotations

from typing import final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment

from bronze_engine.cli.display.frame import Frame

__all__ = ["Drawn"]


@final
class Drawn:
    """What rich draws: a frame for the size that the terminal has at that moment."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        """None draws nothing."""
        self._lengths: list[int] = []

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        # The last column is left free: a terminal that was just written into it is of two
        # minds about the line that the cursor is on.
        width, height = options.size
        lines = [] if self.frame is None else self.frame.lines(width - 1, height - 1)
        self._lengths = [sum(len(each.text) for each in line) for line in lines]
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line

    def unwrap(self, console: Console) -> None:
        """Erase what a narrower terminal has made of the lines, down to as many as were drawn.

        Terminals break long lines anew when they are resized, and rich takes back only as many
        lines as it has written.
        """
        width = max(1, console.width)
        broken = sum(max(0, length - 1) // width for length in self._lengths)
        if broken:
            up_and_erase = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
            console.control(
                Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)),
                *(Control(*up_and_erase) for _ in range(broken)),
            )
        self._lengths = []
