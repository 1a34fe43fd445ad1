"""The figures of a comparison as Markdown: tables, what is asked, and what came out changed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness.figures import (
    MIB,
    Figures,
    cpu,
    cpu_per,
    fastest,
    has_run,
    label_of,
    leanest,
    rate,
    rates,
    ratio,
    rivals_of,
    rss_mib,
)
from benchmarks.harness.spread import spread

__all__ = ["table", "tell_comparison", "tell_overhead", "verdict"]


def tell_comparison(figures: Figures) -> str:
    """All cases, a table each."""
    blocks: list[str] = []
    for case in figures["cases"].values():
        blocks += [f"#### {case['title']}", _outcomes(case, figures["versions"]), _asked(case)]
        blocks += [_changed(case, figures["versions"]), _lag(case)]
    return "\n\n".join(block for block in blocks if block)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; short rows are filled up."""
    full = [[*row, *[""] * (len(titles) - len(row))] for row in (titles, *rows)]
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in full]
    return "\n".join([lines[0], "|---" * len(titles) + "|", *lines[1:]])


def _outcomes(case: Figures, versions: Figures) -> str:
    outcomes = case["outcomes"]
    first = next(iter(outcomes))
    unit = case["unit"]
    titles = ["", unit["rate"], f"{first} to it", unit["cpu"], f"{first} to it", "peak RSS, MiB"]
    has_files = any(each["landed"] and each["landed"]["size_bytes"] for each in outcomes.values())
    if has_files:
        titles.append("Parquet, MiB")
    most = max((run["amount"] for each in outcomes.values() for run in each["runs"]), default=0)
    rows = []
    for name, outcome in outcomes.items():
        label = label_of(outcome, versions)
        if outcome["skipped"]:
            rows.append([label, f"skipped: {outcome['skipped']}"])
            continue
        if outcome["runs"][0]["amount"] < most:
            label += f", first {outcome['runs'][0]['amount']:,}"
        row = [label, str(rates(case, name)), str(ratio(case, first, name, rate))]
        row += [str(cpu_per(case, name)), str(ratio(case, first, name, cpu)), str(rss_mib(outcome))]
        landed = outcome["landed"]
        if has_files and landed and landed["size_bytes"]:
            row.append(f"{landed['size_bytes'] / MIB:,.0f} ({landed['codec']})")
        rows.append(row)
    return table(titles, rows)


def _asked(case: Figures) -> str:
    """What the project asks of itself, and how ours stands to the best of the rivals."""
    outcomes = {name: each for name, each in case["outcomes"].items() if has_run(each)}
    if "ours" not in outcomes:
        return ""
    noun = case["unit"]["rate"]
    lines = []
    for name, least in case["asked"].items():
        if name in outcomes:
            found = ratio(case, "ours", name, rate)
            told = f"{found} of {name}'s {noun} (asked: {least})"
            lines.append(verdict(found.median >= least, told))
    if rivals := rivals_of(case):
        name = fastest(case, rivals)
        found = ratio(case, "ours", name, rate)
        lines.append(verdict(found.median >= 1, f"{found} of the fastest rival's {noun}, {name}"))
        name = leanest(case, rivals)
        found = ratio(case, "ours", name, cpu)
        lines.append(verdict(found.median <= 1, f"{found} of the leanest rival's CPU, {name}"))
    if case["asked_mib"] is not None:
        peak = max(run["peak_rss_bytes"] for run in outcomes["ours"]["runs"]) / MIB
        told = f"peak RSS {peak:,.0f} MiB (asked: {case['asked_mib']:.0f})"
        lines.append(verdict(peak <= case["asked_mib"], told))
    return "\n".join(lines)


def verdict(is_kept: bool, text: str) -> str:
    """A line of a list: what was asked, and whether it was kept."""
    return f"- {'met' if is_kept else '**not met**'}: {text}"


def _changed(case: Figures, versions: Figures) -> str:
    """Which columns came out as other values; nothing where values were not compared."""
    compared = [
        each
        for each in case["outcomes"].values()
        if each["landed"] and each["landed"]["changed"] is not None
    ]
    told = [
        f"{label_of(each, versions)}: "
        + ", ".join(f"`{column}`" for column in each["landed"]["changed"])
        for each in compared
        if each["landed"]["changed"]
    ]
    if told:
        return f"Values changed in: {'; '.join(told)}."
    return "Nobody changed a value." if compared else ""


def _lag(case: Figures) -> str:
    """How late event loops were, at the worst of the rounds."""
    lines = []
    for name, outcome in case["outcomes"].items():
        watched = [run for run in outcome["runs"] if run["lag_ms"] and run["idle_lag_ms"]]
        if watched:
            own, idle = (
                max(run[which]["p99"] for run in watched) for which in ("lag_ms", "idle_lag_ms")
            )
            lines.append(
                f"Loop lag of {name}, 99th of a hundred ticks, in the worst round:"
                f" {own:.1f} ms; of an idle loop beside it: {idle:.1f} ms."
            )
    return "\n\n".join(lines)


def tell_overhead(figures: Figures) -> str:
    """What something costs: CPU seconds a million without it and with it, of each kind of data."""
    rows = []
    for kind, costs in figures["kinds"].items():
        pairs = zip(costs["without"], costs["with"], strict=True)
        more = spread([(after / before - 1) * 100 for before, after in pairs])
        rows.append([kind, str(spread(costs["without"])), str(spread(costs["with"])), str(more)])
    return table(["data", "CPU-s a million without", "with", "more, %"], rows)
