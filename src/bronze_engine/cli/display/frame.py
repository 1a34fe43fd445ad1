"""One frame of the display: the table, its total, and how the whole stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from rich.segment import Segment
from rich.style import Style

from bronze_engine.cli.display import numbers
from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.columns import WIDE, Layout, chosen, shortened, standing
from bronze_engine.cli.display.view import RunView, Standing
from bronze_engine.engine import EngineStatistics
from bronze_engine.limits.registry import GroupStatistics

__all__ = ["Frame", "Line"]

Line = list[Segment]
"""One line of the terminal, without its end."""

STOPPING: Final = "stopping: press Ctrl-C again to stop at once"

_NAMES: Final[dict[Standing, str]] = {
    "failed": "failed",
    "skipped": "skipped",
    "stopped": "stopped",
    "active": "under way",
    "waiting": "waiting",
    "committed": "committed",
}

_STYLES: Final = {
    name: Style.parse(name)
    for name in ("bold", "dim", "green", "bold red", "red", "yellow", "cyan", "bold yellow")
}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to draw; `lines` draws it for a terminal's size."""

    board: Board
    statistics: EngineStatistics
    group_of: Callable[[str], GroupStatistics | None]
    """The limit group of a pipeline's source, as it is now."""
    is_stopping: bool = False

    def lines(self, width: int, height: int) -> list[Line]:
        """At most `height` lines of at most `width` characters; none before the first run."""
        board = self.board
        if board.is_empty:
            return []
        layout = chosen(board, width)
        foot = [*self._standing(width)]
        is_many = board.total > 1
        rows = height - len(foot) - 1 - is_many
        if board.total > rows:
            rows -= 1  # for what is not shown
        views = board.shown(max(1, rows))
        lines = [_head(layout)]
        lines += (self._row(view, layout) for view in views)
        if len(views) < board.total:
            lines.append(_line(_rest(board, views), width, "dim"))
        if is_many:
            lines.append(self._total(layout))
        lines += foot
        return [_cut(line, width) for line in lines[max(0, len(lines) - height) :]]

    def _row(self, view: RunView, layout: Layout) -> Line:
        group = self.group_of(view.pipeline)
        text, style = standing(view, group, layout.state_width)
        cells = (column.cell(view, group) for column in layout.columns)
        name, state, rest = layout.line(view.pipeline, view.run_date, text, cells)
        dim = _STYLES["dim"] if view.standing in ("waiting", "committed", "stopped") else None
        return [Segment(name, dim), Segment(state, _STYLES[style]), Segment(rest, dim)]

    def _total(self, layout: Layout) -> Line:
        cells = (column.total(self.board) for column in layout.columns)
        return [Segment("".join(layout.line("total", "", "", cells)).rstrip(), _STYLES["bold"])]

    def _standing(self, width: int) -> Iterable[Line]:
        """How many runs stand how, memory, and the time."""
        statistics, board = self.statistics, self.board
        used = statistics.reserved_bytes + statistics.pooled_bytes
        parts = [
            f"memory {numbers.memory(used, statistics.memory_limit_bytes)}",
            f"elapsed {numbers.duration(board.seconds)}",
        ]
        last = " · ".join(parts)
        if board.total > 1 and width >= WIDE:
            last = f"{', '.join(_counts(board))} · {last}"
        elif board.total > 1:  # where it would be one line at times, it is never one
            yield from (_line(each, width) for each in _joined(_counts(board), width))
        yield _line(last, width)
        if self.is_stopping:
            yield _line(STOPPING, width, "bold yellow")


def _head(layout: Layout) -> Line:
    titles = (column.title for column in layout.columns)
    return [Segment("".join(layout.line("pipeline", "date", "state", titles)), _STYLES["bold"])]


def _counts(board: Board) -> list[str]:
    """37 of 1,000 committed, 2 failed, 21 under way, 940 waiting."""
    parts = [f"{board.count('committed'):,} of {board.total:,} committed"]
    for kind, name in _NAMES.items():
        if kind != "committed" and board.count(kind):
            parts.append(f"{board.count(kind):,} {name}")
    return parts


def _rest(board: Board, shown: Iterable[RunView]) -> str:
    """How those stand that have no line of their own."""
    seen = Counter(view.standing for view in shown)
    left = {name: board.count(kind) - seen[kind] for kind, name in _NAMES.items()}
    return "… " + ", ".join(f"{number:,} {name}" for name, number in left.items() if number)


def _joined(parts: Iterable[str], width: int) -> list[str]:
    """The parts in as many lines as they take, none of them torn."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(", ") + len(part) < width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return [*(f"{line}," for line in lines[:-1]), *lines[-1:]]


def _line(text: str, width: int, style: str | None = None) -> Line:
    return [Segment(shortened(text, width), None if style is None else _STYLES[style])]


def _cut(line: Line, width: int) -> Line:
    """Of a terminal too narrow for a name and a state."""
    if sum(len(segment.text) for segment in line) <= width:
        return line
    return list(Segment.adjust_line_length(line, width, pad=False))
