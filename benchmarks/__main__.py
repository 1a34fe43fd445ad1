"""Every benchmark of this project: ours and its rivals, in turn, each result checked.

    python -m benchmarks http postgres                      at their short size, three rounds
    python -m benchmarks files --only ours,duckdb --full --rounds 5
    python -m benchmarks http --json docs/benchmarks.json --page docs/benchmarks.md
    python -m benchmarks --json docs/benchmarks.json --page docs/benchmarks.md    the page alone

Each candidate is a process of its own, and all run in turn. Libraries are imported before the clock
starts; of programs start-up counts. CPU and memory are the candidate's, children included, never
a server's. A run counts only once what has landed is as it must be. Ratios compare runs of the
same round and are told as median (lowest to highest). A rival that can't run is skipped, with its
reason; one that takes more than 20 seconds runs in the first round alone.
"""

from __future__ import annotations

import argparse
import compileall
import json
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

if find_spec("psutil") is None:  # what measures, and none of what `make demo` installs
    sys.exit("benchmarks need the development environment; `make env` makes it")

from benchmarks.catalog import SCENARIOS
from benchmarks.harness.environment import machine, versions
from benchmarks.harness.measure import ROOT
from benchmarks.harness.page import tell, write
from benchmarks.harness.scenario import Options, Scenario, Size

__all__ = ["main", "parse"]


@dataclass(frozen=True)
class Arguments:
    scenarios: list[Scenario]
    options: Options
    json: Path | None
    page: Path | None


def main(arguments: Sequence[str] | None = None) -> None:
    asked = parse(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # servers are ended, too
    compileall.compile_dir(ROOT / "src", quiet=1)  # as what is installed was: the rivals, too
    figures = _kept(asked.json)
    for scenario in asked.scenarios:
        found = _measured(scenario, asked.options)
        print(f"\n## {scenario.title}\n\n{tell(scenario, found)}", flush=True)
        # After each, and from the file anew: what was measured is kept whatever comes, and what
        # somebody else has put there meanwhile, too.
        figures = {**figures, **_kept(asked.json), scenario.name: found}
        figures = {name: figures[name] for name in SCENARIOS if name in figures}
        if asked.json is not None:
            asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if asked.page is not None:
        write(asked.page, SCENARIOS, figures)


def _kept(path: Path | None) -> dict[str, Any]:
    """The figures of a file, where there is one."""
    if path is None or not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _measured(scenario: Scenario, options: Options) -> dict[str, Any]:
    found = scenario.measure(options)
    labels = [
        outcome["label"]
        for case in found.get("cases", {}).values()
        for outcome in case["outcomes"].values()
    ]
    only = f" --only {','.join(options.only)}" if options.only else ""
    return {
        "title": scenario.title,
        "command": f"python -m benchmarks {scenario.name} --{options.size}"
        f" --rounds {options.rounds}{only}",
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "versions": versions(sorted(set(re.findall(r"\{([^}]+)\}", "".join(labels))))),
        **found,
    }


def parse(arguments: Sequence[str]) -> Arguments:
    """What the command line asks for. Ends the program where it can't be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="candidates, with commas between them")
    sizes = parser.add_mutually_exclusive_group()
    for size in get_args(Size):
        sizes.add_argument(f"--{size}", dest="size", action="store_const", const=size)
    parser.add_argument("--data", type=Path, help="keep tables and files in this folder")
    parser.add_argument("--json", type=Path, help="keep all figures in this file")
    parser.add_argument("--page", type=Path, help="write this Markdown file, and its chart, anew")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.scenarios if name not in SCENARIOS]:
        parser.error(f"{unknown[0]} is none of {', '.join(SCENARIOS)}")
    if not asked.scenarios and not (asked.json and asked.page):
        parser.error(f"name a scenario: {', '.join(SCENARIOS)}")
    if asked.rounds < 1:
        parser.error("--rounds must be at least 1")
    scenarios = [SCENARIOS[name] for name in asked.scenarios]
    only = tuple(name for name in asked.only.split(",") if name)
    for scenario in scenarios:
        if unknown := sorted(set(only) - scenario.candidates):
            known = ", ".join(sorted(scenario.candidates)) or "no candidates"
            parser.error(f"--only: {unknown[0]} is none of {scenario.name}'s: {known}")
    options = Options(asked.size or "short", asked.rounds, only, asked.data)
    return Arguments(scenarios, options, asked.json, asked.page)


if __name__ == "__main__":
    main()
