"""A curve in the terminal: a bar a value, its spread, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bronze_engine.tune.labels import CURVES
from bronze_engine.tune.report import Curve, Point

__all__ = ["curve_lines"]

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LEAST_WIDTH: Final = 8
_HEADS: Final = ("", "rows/s", "(low to high)", "a request", "CPU s/M rows")


def curve_lines(curve: Curve, width: int) -> Iterator[str]:
    """The lines of a curve, none wider than `width` columns where that is at least 70."""
    rows = [_HEADS, *(_cells(point, curve) for point in curve.points)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    room = max(_LEAST_WIDTH, width - sum(widths) - 2 * (len(widths) + 1))
    highs = [point.high for point in curve.points if point.fault is None]
    best = max(highs, default=0.0) or 1.0
    yield f"  {CURVES[curve.name]}"[:width]
    yield _line("", rows[0], widths, " " * room, width)
    for point, row in zip(curve.points, rows[1:], strict=True):
        share = 0.0 if point.fault is not None else point.rows_per_second / best
        mark = ">" if point.label == curve.chosen else ""
        yield _line(mark, row, widths, _bar(share, room), width)


def _line(mark: str, row: Sequence[str], widths: Sequence[int], bar: str, width: int) -> str:
    label, *rest = (cell.rjust(size) for cell, size in zip(row, widths, strict=True))
    return "  ".join([f"{mark:1} {label}", bar, *rest])[:width].rstrip()


def _cells(point: Point, curve: Curve) -> tuple[str, str, str, str, str]:
    label = point.label + ("*" if point.label == curve.configured else "")
    if point.fault is not None:
        return label, "unfit", "", "", ""
    return (
        label,
        f"{point.rows_per_second:,.0f}",
        f"({point.low:,.0f} to {point.high:,.0f})",
        f"{point.latency_seconds * 1000:,.0f} ms" if point.requests else "",
        f"{point.refused} refused" if point.refused else f"{point.cpu_seconds_per_million:.2f}",
    )


def _bar(share: float, width: int) -> str:
    eighths = round(min(1.0, share) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)
