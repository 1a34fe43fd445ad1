"""One frame of the display as a picture, for documents."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final, final

from rich.console import CONSOLE_SVG_FORMAT, Console  # type: ignore[attr-defined]  # it is documented
from rich.segment import Segment, Segments

from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.frame import Frame
from bronze_engine.cli.display.groups import Groups
from bronze_engine.clock import Clock
from bronze_engine.engine import Engine
from bronze_engine.telemetry.events import Event

__all__ = ["Picture"]

_SAMPLE_SECONDS: Final = 0.25
_WIDTH: Final = 128
_HEIGHT: Final = 40

_FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Without the fonts of another site: a picture asks nobody for anything."""


@final
class Picture:
    """A hook that draws the frame of the moment at which a third of the runs are done.

    It needs no terminal: what is drawn is what one of _WIDTH columns shows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._board = Board(clock)
        self._svg = ""

    def __call__(self, event: Event, /) -> None:
        self._board(event)

    async def watch(self, engine: Engine) -> None:
        """Look until the moment has come, or until cancelled."""
        groups = Groups(engine)
        board = self._board
        try:
            while 3 * (board.count("waiting") + board.count("active")) > 2 * board.total:
                await self._clock.sleep(_SAMPLE_SECONDS)
                board.sample()
        finally:
            statistics = engine.statistics()
            groups.note(statistics.limit_groups)
            self._svg = _svg(Frame(board=board, statistics=statistics, group_of=groups.of))

    def svg(self) -> str:
        """The picture, once `watch` has ended."""
        return self._svg


def _svg(frame: Frame) -> str:
    console = Console(
        file=io.StringIO(),
        record=True,
        width=_WIDTH,
        height=_HEIGHT,
        force_terminal=True,
        color_system="truecolor",
    )
    for line in frame.lines(_WIDTH, _HEIGHT):
        # Each cell is placed by itself: what draws the picture need not have our font's widths.
        cells = (cell for segment in line for cell in _cells(segment))
        console.print(Segments([*cells, Segment.line()]), end="")
    return console.export_svg(title="bronze batch", code_format=_FORMAT, unique_id="bronze")


def _cells(segment: Segment) -> Iterator[Segment]:
    """The words of a piece of a line, and the spaces between them."""
    for piece in re.split(r"( {2,})", segment.text):
        if piece:
            yield Segment(piece, segment.style)
