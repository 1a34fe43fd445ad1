"""The figures of the benchmark of files as a page: tables and verdicts."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.runner import Spread, spread

__all__ = ["memory", "speed", "versions", "write"]

MIB: Final = 1024**2
NAMES: Final = {
    "ours": "bronze-engine",
    "pyarrow": "a plain script of pyarrow {pyarrow}",
    "duckdb": "DuckDB {duckdb}",
    "dlt": "dlt {dlt}",
    "sling": "Sling {sling-linux-amd64}",
    "python": "a loop in Python",
}
TITLES: Final = {
    "csv": "CSV",
    "ndjson": "NDJSON",
    "fixed": "Fixed-width",
    "parquet": "Parquet",
}
PACKAGES: Final = re.findall(r"\{([^}]+)\}", "".join(NAMES.values()))
ASKED: Final = {
    ("csv", "pyarrow"): 0.8,
    ("csv", "dlt"): 1.0,
    ("csv", "sling"): 1.0,
    ("fixed", "python"): 10.0,
}
"""What the project asks of itself: our rows a second to theirs."""

Figures = Mapping[str, Any]


def versions(rivals: Path) -> dict[str, str]:
    """What was run on what: packages and machine."""
    found = {
        "bronze-engine": version("bronze-engine"),
        "Python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()},"
        f" {platform.system()} {platform.release()}",
    }
    if rivals.exists():
        asked = (
            "import importlib.metadata as m, json, sys;"
            "known = {d.metadata['Name'].lower(): d.version for d in m.distributions()};"
            "print(json.dumps({n: known[n] for n in sys.argv[1:] if n in known}))"
        )
        told = subprocess.run(
            [rivals, "-c", asked, *PACKAGES], capture_output=True, text=True, check=True
        )
        found |= json.loads(told.stdout)
    return found


def speed(result: Figures) -> str:
    """All files and what was asked, in Markdown."""
    blocks = [_place(result)]
    for name, outcomes in result["files"].items():
        form, _, rows = name.partition(" ")
        blocks.append(f"### {TITLES[form]}, {int(rows):,} rows")
        blocks += [
            _figures(result, outcomes),
            _verdicts(form, outcomes),
            _changed(result, outcomes),
        ]
    return "\n\n".join(block for block in blocks if block)


def memory(result: Figures) -> str:
    """Our peak memory at a small and at a large file, in Markdown."""
    lines = ["| rows of CSV | rows/s | peak RSS, MiB |", "|---|---|---|"]
    peaks = []
    for outcomes in result["files"].values():
        [run] = outcomes["ours"]["runs"]
        peaks.append(run["peak_rss_bytes"] / MIB)
        lines.append(
            f"| {run['amount']:,} | {run['amount'] / run['seconds']:,.0f} | {peaks[-1]:,.0f} |"
        )
    table = "\n".join(lines)
    return f"{_place(result)}\n\n{table}\n\nRatio: {peaks[-1] / peaks[0]:.2f}."


def write(result: Figures, page: Path, *, is_memory: bool) -> None:
    """Put what was measured between its marks in a Markdown file."""
    mark = "files-memory" if is_memory else "files"
    begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
    text = page.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{page} has no {begin} … {end} to write between")
    told = memory(result) if is_memory else speed(result)
    before, rest = text.split(begin, 1)
    page.write_text(f"{before}{begin}\n\n{told}\n\n{end}{rest.split(end, 1)[1]}")


def _place(result: Figures) -> str:
    found = result["versions"]
    return (
        f"`{result['command']}`; Python {found['Python']}, bronze-engine"
        f" {found['bronze-engine']}; {found['machine']}."
    )


def _figures(result: Figures, outcomes: Figures) -> str:
    first = next(iter(outcomes))
    lines = [
        f"| | rows/s | {first} to it | CPU-s a million | {first} to it | RSS, MiB | Parquet, MiB |",
        "|---" * 7 + "|",
    ]
    for name, outcome in outcomes.items():
        label = _label(name, result)
        if outcome["skipped"]:
            lines.append(f"| {label} | skipped: {outcome['skipped']} | | | | | |")
            continue
        mine = outcomes[first]
        rss = spread([run["peak_rss_bytes"] / MIB for run in outcome["runs"]])
        lines.append(
            f"| {label} | {spread(_all(outcome, _rate))} | {_ratio(mine, outcome, _rate)} |"
            f" {spread(_all(outcome, _cpu))} | {_ratio(mine, outcome, _cpu)} | {rss} |"
            f" {outcome['landed']['size_bytes'] / MIB:,.0f} ({outcome['landed']['codec']}) |"
        )
    return "\n".join(lines)


def _verdicts(form: str, outcomes: Figures) -> str:
    lines = []
    for name, outcome in outcomes.items():
        least = ASKED.get((form, name))
        if least is None or not outcome["runs"] or "ours" not in outcomes:
            continue
        ratio = _ratio(outcomes["ours"], outcome, _rate)
        kept = "met" if ratio.median >= least else "**not met**"
        lines.append(f"- {kept}: {ratio} of {name}'s rows/s ({least})")
    return "\n".join(lines)


def _changed(result: Figures, outcomes: Figures) -> str:
    """Which columns came out as other values."""
    told = [
        f"{_label(name, result)}: {', '.join(f'`{each}`' for each in outcome['landed']['changed'])}"
        for name, outcome in outcomes.items()
        if outcome["landed"] and outcome["landed"]["changed"]
    ]
    return f"Values changed in: {'; '.join(told)}." if told else "Nobody changed a value."


def _label(name: str, result: Figures) -> str:
    label = NAMES[name]
    for package in PACKAGES:
        label = label.replace(f"{{{package}}}", result["versions"].get(package, ""))
    return label


def _rate(run: Figures) -> float:
    rate: float = run["amount"] / run["seconds"]
    return rate


def _cpu(run: Figures) -> float:
    cpu: float = run["cpu_seconds"] / run["amount"] * 1e6
    return cpu


def _all(outcome: Figures, of: Any) -> list[float]:
    return [of(run) for run in outcome["runs"]]


def _ratio(first: Figures, other: Figures, of: Any) -> Spread:
    """The first to the other, of the rounds in which both ran."""
    pairs = zip(_all(first, of), _all(other, of), strict=False)
    return spread([mine / theirs for mine, theirs in pairs])
