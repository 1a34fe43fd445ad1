"""Ours to the best rival of each kind, in the cases that have a headline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from benchmarks.harness.chart import Bar, Group, draw
from benchmarks.harness.figures import Figures, fastest, label_of, rate, ratio, rivals_of, with_ours
from benchmarks.harness.spread import Spread
from benchmarks.harness.tables import table

__all__ = ["Best", "bests", "draw_summary", "tell_summary"]

KINDS: Final = {
    "framework": "best framework",
    "library": "best library",
    "script": "script by hand",
}


class Best(NamedTuple):
    headline: str
    kind: str
    rival: str
    ratio: Spread
    """Our rate to theirs, round by round."""


def bests(figures: Mapping[str, Figures]) -> Iterator[Best]:
    for found, case in with_ours(figures):
        if not case["headline"]:
            continue
        rivals = rivals_of(case)
        for kind in KINDS:
            if several := {name: each for name, each in rivals.items() if each["kind"] == kind}:
                name = fastest(case, several)
                label = label_of(several[name], found["versions"]).partition(",")[0]
                yield Best(case["headline"], kind, label, ratio(case, "ours", name, rate))


def tell_summary(figures: Mapping[str, Figures]) -> str:
    rows = [
        [best.headline, KINDS[best.kind], best.rival, str(best.ratio)] for best in bests(figures)
    ]
    if not rows:
        return "Nothing with a rival was measured."
    return table(["", "rival", "which", "our rate to its rate"], rows)


def draw_summary(figures: Mapping[str, Figures]) -> str:
    """The chart of the README's first screen, as SVG."""
    groups: dict[str, list[Bar]] = {}
    for best in bests(figures):
        low, median, high = best.ratio.low, best.ratio.median, best.ratio.high
        digits = 2 if median < 1 else 1 if median < 10 else 0
        bar = Bar(f"{median:.{digits}f}x {best.rival}", best.kind, low, median, high)
        groups.setdefault(best.headline, []).append(bar)
    title = "bronze-engine's speed against the best rival of each kind"
    machines = {found["machine"]: None for found in figures.values() if found.get("cases")}
    foot = f"Median of the rounds; the thin line, lowest to highest. {'; '.join(machines)}"
    return draw(title, [Group(name, bars) for name, bars in groups.items()], KINDS, foot)
