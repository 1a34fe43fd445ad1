"""A chart of horizontal bars, as SVG: one panel a table, two bars a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

__all__ = ["draw"]

WIDTH: Final = 900
LABEL_WIDTH: Final = 290
ROW_HEIGHT: Final = 26
TITLE_HEIGHT: Final = 52
GAP: Final = 24

OURS: Final = "#b87333"
OTHERS: Final = "#7d8ea3"
LIMIT: Final = "#c9ced6"

Bar = tuple[str, float, float]
"""Label, rows/s, CPU-s per million rows."""


def draw(panels: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """An SVG that needs no script and no font of its own, legible on dark pages too."""
    lines: list[str] = []
    top = 10
    for title, bars in panels:
        lines += _panel(title, bars, top)
        top += TITLE_HEIGHT + ROW_HEIGHT * len(bars) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#24292f">'
    )
    back = f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'
    return "\n".join([head, back, *lines, "</svg>"]) + "\n"


def _panel(title: str, bars: Sequence[Bar], top: int) -> list[str]:
    half = (WIDTH - LABEL_WIDTH) // 2
    middle = LABEL_WIDTH + half
    lines = [
        _text(10, top + 16, title, 'font-weight="600" font-size="15"'),
        _text(LABEL_WIDTH, top + 40, "rows a second", 'fill="#57606a"'),
        _text(middle, top + 40, "client CPU, seconds a million rows", 'fill="#57606a"'),
    ]
    fastest = max(rate for _, rate, _ in bars)
    dearest = max(cpu for _, _, cpu in bars)
    for number, (label, rate, cpu) in enumerate(bars):
        y = top + TITLE_HEIGHT + number * ROW_HEIGHT
        colour = OURS if label.startswith("bronze") else LIMIT if "limit" in label else OTHERS
        weight = 'font-weight="600"' if colour == OURS else ""
        lines.append(_text(LABEL_WIDTH - 10, y + 13, label, f'text-anchor="end" {weight}'))
        room = half - 80
        for x, value, most, told in (
            (LABEL_WIDTH, rate, fastest, f"{rate:,.0f}"),
            (middle, cpu, dearest, f"{cpu:.2f}"),
        ):
            width = max(1.0, room * value / most)
            lines.append(
                f'<rect x="{x}" y="{y}" width="{width:.1f}" height="17" rx="2" fill="{colour}"/>'
            )
            lines.append(_text(x + width + 6, y + 13, told, 'font-size="12"'))
    return lines


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
