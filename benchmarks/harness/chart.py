"""A chart of ratios as SVG: bars from 1 to each ratio on a logarithmic scale, in groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

__all__ = ["Bar", "Group", "draw"]

WIDTH: Final = 900
LABEL_WIDTH: Final = 230
PLOT_WIDTH: Final = 460
"""To its right stand what bars at the end of the scale are called."""
TOP: Final = 84
BAR_HEIGHT: Final = 15
ROW_HEIGHT: Final = 21
GAP: Final = 13

# A page may be light or dark: the picture brings its own ground for both.
STYLE: Final = """
svg { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 13px }
text { fill: #24292f } .quiet { fill: #57606a; font-size: 12px } .ground { fill: #ffffff }
.title { font-size: 16px; font-weight: 600 } .name { font-weight: 600 }
.grid { stroke: #d8dee4 } .one { stroke: #24292f; stroke-width: 1.5 }
.spread { stroke: #24292f; stroke-width: 1.2; opacity: .65 }
.framework { fill: #b87333 } .library { fill: #3f7ea6 } .script { fill: #8a6fb0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9198a1 } .ground { fill: #0d1117 }
  .grid { stroke: #30363d } .one, .spread { stroke: #e6edf3 }
  .framework { fill: #d08a4a } .library { fill: #58a0cc } .script { fill: #a98fd0 }
}
""".strip()


class Bar(NamedTuple):
    label: str
    kind: str
    """A class of the style: framework, library or script."""
    low: float
    median: float
    high: float


class Group(NamedTuple):
    name: str
    bars: Sequence[Bar]


class _Scale:
    """From ratios to places, with ticks at powers of two."""

    def __init__(self, ratios: Sequence[float]) -> None:
        logs = [math.log2(ratio) for ratio in (*ratios, 0.5, 2.0)]
        self._first, self._last = math.floor(min(logs)), math.ceil(max(logs))

    @property
    def ticks(self) -> list[float]:
        return [2.0**power for power in range(self._first, self._last + 1)]

    def place(self, ratio: float) -> float:
        share = (math.log2(ratio) - self._first) / (self._last - self._first)
        return LABEL_WIDTH + PLOT_WIDTH * share


def draw(title: str, groups: Sequence[Group], legend: Mapping[str, str], foot: str) -> str:
    """An SVG that needs no script and no font of its own. `legend` tells what the kinds are."""
    scale = _Scale([value for each in groups for bar in each.bars for value in bar[2:]])
    rows = sum(ROW_HEIGHT * len(each.bars) + GAP for each in groups)
    bottom = TOP + rows
    height = bottom + 34
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' role="img"><title>{escape(title)}</title>'
    )
    lines = [
        head,
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
        _text(16, 28, title, 'class="title"'),
        *_legend(legend),
        *_grid(scale, bottom),
        _text(16, bottom + 20, foot, 'class="quiet"'),
    ]
    top = TOP + GAP / 2
    for group in groups:
        lines += _group(group, scale, top)
        top += ROW_HEIGHT * len(group.bars) + GAP
    one = scale.place(1)
    lines.append(f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{TOP}" y2="{bottom}"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(legend: Mapping[str, str]) -> Iterator[str]:
    x = 16.0
    for kind, text in legend.items():
        yield f'<rect class="{kind}" x="{x}" y="42" width="12" height="12" rx="2"/>'
        yield _text(x + 18, 52.5, text, 'class="quiet"')
        x += 46 + 6.4 * len(text)
    yield _text(x, 52.5, "right of 1x: bronze-engine is faster", 'class="quiet"')


def _grid(scale: _Scale, bottom: float) -> Iterator[str]:
    for tick in scale.ticks:
        x = scale.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        told = f"{tick:g}x" if tick >= 1 else f"1/{1 / tick:g}x"
        yield _text(x, TOP - 6, told, 'class="quiet" text-anchor="middle"')


def _group(group: Group, scale: _Scale, top: float) -> Iterator[str]:
    middle = top + ROW_HEIGHT * len(group.bars) / 2 + 1
    yield _text(LABEL_WIDTH - 14, middle, group.name, 'class="name" text-anchor="end"')
    one = scale.place(1)
    for number, bar in enumerate(group.bars):
        y = top + number * ROW_HEIGHT
        end = scale.place(bar.median)
        width = max(1.5, abs(end - one))
        yield (
            f'<rect class="{bar.kind}" x="{min(one, end):.1f}" y="{y:.1f}" width="{width:.1f}"'
            f' height="{BAR_HEIGHT}" rx="2"/>'
        )
        low, high, centre = scale.place(bar.low), scale.place(bar.high), y + BAR_HEIGHT / 2
        yield (
            f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{centre:.1f}"'
            f' y2="{centre:.1f}"/>'
        )
        yield _text(max(one, end, high) + 8, y + 12, bar.label, "")


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
