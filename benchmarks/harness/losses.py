"""Where ours is behind: of all that was measured, every rival that was faster or leaner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.harness.figures import Figures, cpu, label_of, rate, ratio, rivals_of, with_ours
from benchmarks.harness.spread import Spread
from benchmarks.harness.tables import table

__all__ = ["Loss", "losses", "tell_losses"]


class Loss(NamedTuple):
    title: str
    rival: str
    rate: Spread
    """Ours to theirs: below 1 where they are faster."""
    cpu: Spread
    """Ours to theirs: above 1 where they are leaner."""


def losses(figures: Mapping[str, Figures]) -> Iterator[Loss]:
    """By the medians of the rounds, the worst first in each case."""
    for found, case in with_ours(figures):
        behind = []
        for name, outcome in rivals_of(case).items():
            faster = ratio(case, "ours", name, rate)
            dearer = ratio(case, "ours", name, cpu)
            if faster.median < 1 or dearer.median > 1:
                label = label_of(outcome, found["versions"])
                behind.append(Loss(case["title"], label, faster, dearer))
        yield from sorted(behind, key=lambda loss: loss.rate.median)


def tell_losses(figures: Mapping[str, Figures]) -> str:
    """A table, computed anew from the figures each time."""
    rows = [
        [
            loss.title,
            loss.rival,
            _bold(loss.rate, is_worse=loss.rate.median < 1),
            _bold(loss.cpu, is_worse=loss.cpu.median > 1),
        ]
        for loss in losses(figures)
    ]
    if not rows:
        return "No rival was faster or leaner."
    return table(["", "who", "our rate to its rate", "our CPU to its CPU"], rows)


def _bold(found: Spread, *, is_worse: bool) -> str:
    return f"**{found}**" if is_worse else str(found)
