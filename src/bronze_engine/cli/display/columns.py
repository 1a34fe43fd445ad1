"""The columns of the table, and which of them a terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from bronze_engine.cli.display import numbers
from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.view import RunView
from bronze_engine.cli.printing.text import size
from bronze_engine.limits.registry import GroupStatistics

__all__ = ["GAP", "WIDE", "Column", "chosen", "shortened", "standing"]

GAP: Final = "  "
LEAST_NAME: Final = 20
"""What a name keeps before a column is left out for it; longer ones are shortened."""

Group = GroupStatistics | None


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of numbers. Its width does not depend on what is in it: nothing jumps."""

    title: str
    width: int
    cell: Callable[[RunView, Group], str]
    total: Callable[[Board], str] = lambda _: ""
    rank: int
    """Where there is not room for all, those of a higher rank are left out first."""


def _left(view: RunView, _: Group) -> str:
    seconds = view.seconds_left
    return "" if seconds is None else numbers.duration(seconds)


def _speed(view: RunView, _: Group) -> str:
    return numbers.speed(view.speed.per_second) if view.standing == "active" else ""


def _counted(number: int, view: RunView) -> str:
    """Nothing where nothing was to be counted yet."""
    return numbers.count(number) if number or view.standing in ("active", "committed") else ""


def _bytes(number: int) -> str:
    return size(number) if number else ""


def _in_flight(view: RunView, group: Group) -> str:
    if group is None or view.standing != "active":
        return ""
    return f"{group.in_flight}/{group.limit}"


def _tokens(view: RunView, group: Group) -> str:
    if group is None or group.tokens is None or view.standing != "active":
        return ""
    return numbers.tokens(group.tokens)


def _breaker(view: RunView, group: Group) -> str:
    return "" if group is None or view.standing != "active" else group.breaker


COLUMNS: Final = (
    Column(
        title="rows",
        width=9,
        cell=lambda view, _: _counted(view.rows, view),
        total=lambda board: numbers.count(board.rows),
        rank=0,
    ),
    Column(
        title="rows/s",
        width=7,
        cell=_speed,
        total=lambda board: numbers.speed(board.speed.per_second),
        rank=1,
    ),
    Column(title="ETA", width=7, cell=_left, rank=2),
    Column(
        title="bytes in",
        width=numbers.SIZE_WIDTH,
        cell=lambda view, _: _bytes(view.bytes_in),
        total=lambda board: _bytes(board.bytes_in),
        rank=3,
    ),
    Column(
        title="pages",
        width=9,
        cell=lambda view, _: _counted(view.pages, view),
        total=lambda board: numbers.count(board.pages),
        rank=5,
    ),
    Column(
        title="retries",
        width=7,
        cell=lambda view, _: _counted(view.retries, view),
        total=lambda board: numbers.count(board.retries),
        rank=4,
    ),
    Column(title="in flight", width=9, cell=_in_flight, rank=7),
    Column(title="tokens", width=6, cell=_tokens, rank=8),
    Column(title="breaker", width=9, cell=_breaker, rank=6),
)

_DATE_WIDTH: Final = len("2025-01-15")

_NARROW_STATE: Final = len("failed RETRY001")
WIDE: Final = 119
"""What a terminal of 120 columns has room for."""

_WIDE_STATE: Final = len("waiting for memory")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of the table is made of: name, perhaps date, state, and the columns that there
    is room for."""

    name_width: int
    has_dates: bool
    state_width: int
    columns: tuple[Column, ...]

    def line(self, name: str, date: str, state: str, cells: Iterable[str]) -> tuple[str, str, str]:
        """Name and date, state, and cells, each as wide as it is to be."""
        first = shortened(name, self.name_width).ljust(self.name_width) + GAP
        if self.has_dates:
            first += date.ljust(_DATE_WIDTH) + GAP
        columns = zip(self.columns, cells, strict=True)
        rest = "".join(f"{GAP}{cell:>{column.width}}" for column, cell in columns)
        return first, state.ljust(self.state_width), rest.rstrip()


def chosen(board: Board, width: int) -> Layout:
    """The columns that fit into `width` characters, in their order.

    Names give way to columns down to LEAST_NAME, columns to the rest of a name.
    """
    state = _WIDE_STATE if width >= WIDE else _NARROW_STATE
    least = min(max(board.name_width, len("pipeline")), LEAST_NAME)
    room = width - least - len(GAP) - state
    has_dates = board.has_dates and room >= _DATE_WIDTH + len(GAP)
    if has_dates:
        room -= _DATE_WIDTH + len(GAP)
    fitting: set[str] = set()
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        if room < column.width + len(GAP):
            break
        room -= column.width + len(GAP)
        fitting.add(column.title)
    name = min(max(board.name_width, len("pipeline")), max(1, least + room))
    return Layout(
        name_width=name,
        has_dates=has_dates,
        state_width=state,
        columns=tuple(column for column in COLUMNS if column.title in fitting),
    )


def standing(view: RunView, group: Group, width: int) -> tuple[str, str]:
    """The state of a run in at most `width` characters, and its style.

    What holds a run up says more than that it is reading.
    """
    match view.standing:
        case "waiting":
            return "waiting", "dim"
        case "committed":
            return "committed", "green"
        case "failed":
            return f"failed {view.code or ''}".rstrip(), "bold red"
        case "stopped" | "skipped":
            return view.standing, "yellow"
        case _:
            pass
    if view.phase == "waiting for memory":
        return view.phase if width >= len(view.phase) else "needs memory", "yellow"
    if view.phase == "reading" and group is not None:
        if group.breaker != "closed":
            return f"breaker {group.breaker}"[:width], "red"
        if group.paused_seconds >= 0.5:
            return f"paused {numbers.duration(group.paused_seconds)}", "yellow"
    return shortened(view.phase, width), "cyan"


def shortened(text: str, width: int) -> str:
    """At most `width` characters, what is left out taken from the middle."""
    if len(text) <= width:
        return text
    if width < 3:
        return text[:width]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
