"""The figures of the PostgreSQL benchmark as a page: tables, verdicts and a chart."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.integration.postgres import PostgresServer

from benchmarks.postgres_chart import draw
from benchmarks.runner import Spread, spread

__all__ = ["memory", "speed", "versions", "write"]

MIB: Final = 1024**2
LIMIT: Final = "psql"
NAMES: Final = {
    "ours": "bronze-engine",
    "ours-2": "bronze-engine, `partitions = 2`",
    "bronze-run": "`bronze run`, start-up included",
    "psql": "`psql COPY … > /dev/null`: the limit",
    "duckdb": "DuckDB {duckdb}, its postgres extension",
    "adbc": "ADBC {adbc-driver-postgresql}, pyarrow",
    "connectorx": "ConnectorX {connectorx}, pyarrow",
    "dlt": "dlt {dlt} over ConnectorX",
    "ingestr": "ingestr {ingestr}",
    "sling": "Sling {sling-linux-amd64}",
}
OWN: Final = frozenset({"ours", "ours-2", "bronze-run"})
PACKAGES: Final = re.findall(r"\{([^}]+)\}", "".join(NAMES.values()))

Figures = Mapping[str, Any]


def versions(server: PostgresServer, rivals: Path) -> dict[str, str]:
    """What was run on what: packages, server, machine."""
    found = {
        "bronze-engine": version("bronze-engine"),
        "PostgreSQL": (server.execute("SHOW server_version")[0][0] or "").split()[0],
        "Python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {_memory_gib()} GiB, {_processor()},"
        f" Linux {platform.release()}",
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
    """All tables and what was asked, in Markdown."""
    blocks = [_place(result)]
    for table, outcomes in result["tables"].items():
        blocks += [f"### {_title(table, outcomes)}", _figures(result, outcomes)]
        blocks += [_verdicts(outcomes), _landed(result, outcomes)]
    return "\n\n".join(block for block in blocks if block)


def memory(result: Figures) -> str:
    """Our peak memory at few and at many rows, in Markdown."""
    lines = ["| rows | rows/s | files | peak RSS, MiB |", "|---|---|---|---|"]
    peaks = []
    for outcomes in result["tables"].values():
        [run] = outcomes["ours"]["runs"]
        peaks.append(run["peak_rss_bytes"])
        lines.append(
            f"| {run['amount']:,} | {run['amount'] / run['seconds']:,.0f} |"
            f" {outcomes['ours']['landed']['files']} | {peaks[-1] / MIB:,.0f} |"
        )
    table = "\n".join(lines)
    return f"{_place(result)}\n\n{table}\n\nRatio: {peaks[-1] / peaks[0]:.2f}."


def write(result: Figures, page: Path, *, is_memory: bool) -> None:
    """Put what was measured between its marks in a Markdown file, and the charts beside it."""
    mark = "memory" if is_memory else "speed"
    begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
    text = page.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{page} has no {begin} … {end} to write between")
    told = memory(result) if is_memory else speed(result)
    if not is_memory:
        chart = page.with_name(f"{page.stem}-postgres.svg")
        chart.write_text(draw(_bars(result)))
        told = f"![rows a second and client CPU of each]({chart.name})\n\n{told}"
    before, rest = text.split(begin, 1)
    page.write_text(f"{before}{begin}\n\n{told}\n\n{end}{rest.split(end, 1)[1]}")


def _place(result: Figures) -> str:
    found = result["versions"]
    return (
        f"`{result['command']}`; PostgreSQL {found['PostgreSQL']}, Python {found['Python']},"
        f" bronze-engine {found['bronze-engine']}; {found['machine']}."
    )


def _title(table: str, outcomes: Figures) -> str:
    kind = "TPC-H lineitem" if table.startswith("lineitem") else "The mixed table"
    return f"{kind}, {_rows(outcomes):,} rows"


def _rows(outcomes: Figures) -> int:
    most: int = max(run["amount"] for each in outcomes.values() for run in each["runs"])
    return most


def _figures(result: Figures, outcomes: Figures) -> str:
    first = next(iter(outcomes))
    titles = ["", "rows/s", f"{first} to it", "client CPU-s per million rows"]
    titles += ["peak RSS, MiB", "Parquet, MiB"]
    lines = [f"| {' | '.join(titles)} |".replace("|  |", "| |"), "|---" * len(titles) + "|"]
    most = _rows(outcomes)
    for name, outcome in outcomes.items():
        label = _label(name, result)
        if outcome["runs"] and outcome["runs"][0]["amount"] < most:
            label += f", first {outcome['runs'][0]['amount']:,} rows"
        if outcome["skipped"]:
            lines.append(f"| {label} | skipped: {outcome['skipped']} | | | | |")
            continue
        landed = outcome["landed"]
        files = f"{landed['size_bytes'] / MIB:,.0f} ({landed['codec']})" if landed else ""
        lines.append(
            f"| {label} | {_rates(outcome)} | {_ratio(outcomes[first], outcome, _rate)} |"
            f" {_cpu(outcome)} | {_rss(outcome)} | {files} |"
        )
    return "\n".join(lines)


def _verdicts(outcomes: Figures) -> str:
    """What the project asks of itself, and whether it was so."""
    if "ours" not in outcomes:
        return ""
    done = {name: each for name, each in outcomes.items() if each["runs"]}
    rivals = [name for name in done if name not in OWN and name != LIMIT]
    lines = []
    for name, least in ((LIMIT, 0.9), ("dlt", 1.8), ("adbc", 1.3)):
        if name in done:
            ratio = _ratio(done["ours"], done[name], _rate)
            what = "the limit's" if name == LIMIT else f"{name}'s"
            lines.append(_verdict(ratio.median >= least, f"{ratio} of {what} rows/s ({least})"))
    if rivals:
        fastest = max(rivals, key=lambda name: spread(_all(done[name], _rate)).median)
        ratio = _ratio(done["ours"], done[fastest], _rate)
        lines.append(_verdict(ratio.median >= 1, f"{ratio} of the fastest rival's, {fastest}"))
        leanest = min(rivals, key=lambda name: spread(_all(done[name], _cpu_per_million)).median)
        ratio = _ratio(done["ours"], done[leanest], _cpu_per_million)
        lines.append(_verdict(ratio.median <= 1, f"{ratio} of the leanest rival's CPU, {leanest}"))
    peak = max(run["peak_rss_bytes"] for run in outcomes["ours"]["runs"]) / MIB
    lines.append(_verdict(peak <= 300, f"peak RSS {peak:,.0f} MiB (300)"))
    return "Ours, round by round, and what is asked of it:\n\n" + "\n".join(lines)


def _verdict(is_kept: bool, text: str) -> str:
    return f"- {'met' if is_kept else '**not met**'}: {text}"


def _landed(result: Figures, outcomes: Figures) -> str:
    """Which columns came out as other values, or as texts where they were none."""
    lines = []
    for name, outcome in outcomes.items():
        landed = outcome["landed"]
        if name in OWN - {"ours"} or not landed:
            continue
        told = [f"`{column}` {kind}" for column, kind in _telling(landed["types"]).items()]
        changed = ", ".join(f"`{column}`" for column in landed["changed"]) or "none"
        lines.append(f"| {_label(name, result)} | {changed} | {', '.join(told)} |")
    head = "| | values changed in | lands as |\n|---|---|---|\n"
    return head + "\n".join(lines) if lines else ""


def _telling(types: Mapping[str, str]) -> dict[str, str]:
    kept = ("l_extendedprice", "amount", "updated_at", "uid", "payload")
    return {name: types[name] for name in kept if name in types}


def _bars(result: Figures) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """Of each table its title and, fastest first, label, rows/s and CPU-s per million rows."""
    panels = []
    for table, outcomes in result["tables"].items():
        bars = [
            (
                _label(name, result).replace("`", ""),
                spread(_all(outcome, _rate)).median,
                spread(_all(outcome, _cpu_per_million)).median,
            )
            for name, outcome in outcomes.items()
            if outcome["runs"]
        ]
        panels.append((_title(table, outcomes), sorted(bars, key=lambda bar: -bar[1])))
    return panels


def _label(name: str, result: Figures) -> str:
    label = NAMES[name]
    for package in PACKAGES:
        label = label.replace(f"{{{package}}}", result["versions"].get(package, ""))
    return label


def _rate(run: Figures) -> float:
    rate: float = run["amount"] / run["seconds"]
    return rate


def _cpu_per_million(run: Figures) -> float:
    cpu: float = run["cpu_seconds"] / run["amount"] * 1e6
    return cpu


def _all(outcome: Figures, of: Any) -> list[float]:
    return [of(run) for run in outcome["runs"]]


def _ratio(first: Figures, other: Figures, of: Any) -> Spread:
    """The first to the other, of the rounds in which both ran."""
    pairs = zip(_all(first, of), _all(other, of), strict=False)
    return spread([mine / theirs for mine, theirs in pairs])


def _rates(outcome: Figures) -> Spread:
    return spread(_all(outcome, _rate))


def _cpu(outcome: Figures) -> Spread:
    return spread(_all(outcome, _cpu_per_million))


def _rss(outcome: Figures) -> Spread:
    return spread([run["peak_rss_bytes"] / MIB for run in outcome["runs"]])


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines: Sequence[str] = told.read_text().splitlines() if told.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
