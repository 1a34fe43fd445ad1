"""What was measured, as it is written to JSON and told by the page: plain values only.

    Figures     {"title", "measured", "command", "versions", "places": ..., "cases": {name: Case}}
    case        {"title", "unit", "asked", "headline", "outcomes": {candidate: outcome}}
    outcome     {"label", "kind", "runs": [run, one a round], "landed", "skipped"}

Ratios compare runs of the same round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.harness.spread import Spread, spread

__all__ = [
    "MIB",
    "Figures",
    "cpu",
    "cpu_per",
    "fastest",
    "has_run",
    "label_of",
    "leanest",
    "rate",
    "rates",
    "ratio",
    "rivals_of",
    "rss_mib",
    "with_ours",
]

MIB: Final = 1024**2

Figures = Mapping[str, Any]
Measure = Callable[[Figures, Figures], float]
"""Of a run and a unit."""


def rate(run: Figures, unit: Figures) -> float:
    """How many of the unit in a second."""
    found: float = run["amount"] / unit["amount"] / run["seconds"]
    return found


def cpu(run: Figures, unit: Figures) -> float:
    """CPU seconds for so many as the unit says."""
    found: float = run["cpu_seconds"] / run["amount"] * unit["cpu_amount"]
    return found


def rates(case: Figures, name: str) -> Spread:
    return _spread(case, name, rate)


def cpu_per(case: Figures, name: str) -> Spread:
    return _spread(case, name, cpu)


def rss_mib(outcome: Figures) -> Spread:
    return spread([run["peak_rss_bytes"] / MIB for run in outcome["runs"]])


def ratio(case: Figures, first: str, other: str, of: Measure) -> Spread:
    """The first to the other, of the rounds in which both ran."""
    unit = case["unit"]
    pairs = zip(case["outcomes"][first]["runs"], case["outcomes"][other]["runs"], strict=False)
    return spread([of(mine, unit) / of(theirs, unit) for mine, theirs in pairs])


def with_ours(figures: Mapping[str, Figures]) -> Iterator[tuple[Figures, Figures]]:
    """Every case of every scenario in which ours ran: (scenario, case)."""
    for found in figures.values():
        for case in found.get("cases", {}).values():
            if "ours" in case["outcomes"] and has_run(case["outcomes"]["ours"]):
                yield found, case


def has_run(outcome: Figures) -> bool:
    return bool(outcome["runs"])


def rivals_of(case: Figures) -> dict[str, Figures]:
    """Those who ran, but ours and the limit."""
    return {
        name: outcome
        for name, outcome in case["outcomes"].items()
        if has_run(outcome) and outcome["kind"] not in ("ours", "limit")
    }


def fastest(case: Figures, names: Mapping[str, Figures]) -> str:
    return max(names, key=lambda name: rates(case, name).median)


def leanest(case: Figures, names: Mapping[str, Figures]) -> str:
    return min(names, key=lambda name: cpu_per(case, name).median)


def label_of(outcome: Figures, versions: Mapping[str, str]) -> str:
    """The candidate's name with the versions of its packages."""
    label: str = outcome["label"]
    for package, number in versions.items():
        label = label.replace(f"{{{package}}}", number)
    return label


def _spread(case: Figures, name: str, of: Measure) -> Spread:
    return spread([of(run, case["unit"]) for run in case["outcomes"][name]["runs"]])
