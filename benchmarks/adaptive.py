"""`concurrency = "auto"` against every fixed number, on a server that hides its limit.

    python -m benchmarks.adaptive
    python -m benchmarks.adaptive --seconds 10 --rounds 1 --only "30 at once"

The server answers 429 beyond so many requests at once, or a second (`throttled_api`), and
counts what it has answered and refused; each setting reads from it for so many seconds and is
then cancelled. The goal: at least 85 % of the best fixed number, and fewer than 3 % of the
requests refused. Ratios compare runs of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from benchmarks.runner import spread
from benchmarks.throttled_api import ThrottledApi
from bronze_engine import load_config, open_engine
from bronze_engine.clock import SYSTEM_CLOCK

CASES: Final[dict[str, dict[str, float]]] = {
    "10 at once": {"at_once": 10},
    "30 at once": {"at_once": 30},
    "100 at once": {"at_once": 100},
    "60, then 20 at once": {"at_once": 60, "then": 20},
    "20, then 60 at once": {"at_once": 20, "then": 60},
    "100 a second": {"per_second": 100},
}

PIPELINES: Final = """
[engine]
target = "./bronze"
log_dir = ""
[apis.bench]
base_url = "{url}"
proxy = "none"
concurrency = {concurrency}
[pipelines.bench.orders.source]
type = "http"
api = "bench"
path = "/orders"
records = "data"
[pipelines.bench.orders.source.paginator]
type = "page"
total_path = "total"
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.adaptive", description=__doc__)
    parser.add_argument("--only", help="one of the cases: " + "; ".join(CASES))
    parser.add_argument("--fixed", default="1,4,10,20,30,60,100,200", help="the fixed numbers")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--latency-ms", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    fixed = [int(number) for number in options.fixed.split(",")]
    logging.getLogger("bronze_engine").setLevel(logging.ERROR)  # a line for each refusal
    cases = {options.only: CASES[options.only]} if options.only else CASES
    found: dict[str, list[dict[str, tuple[int, int]]]] = {name: [] for name in cases}
    print("| hidden limit | best fixed | its requests/s | auto, of that | auto, refused |")
    print("|---|---|---|---|---|")
    with ThrottledApi.start() as api:
        for name, limit in cases.items():
            for _ in range(options.rounds):
                runs: dict[str, tuple[int, int]] = {}
                for setting in ("auto", *map(str, fixed)):
                    settings = {"seconds": options.seconds, "latency_ms": options.latency_ms}
                    api.begin(**limit, **settings)
                    read_for(api.url, setting, options.seconds)
                    told = api.told()
                    assert told["good"], f"{name}: nothing was read at {setting}"
                    runs[setting] = told["good"], told["refused"]
                    print(f"{name}, {setting}: {told}", file=sys.stderr)
                found[name].append(runs)
            print(row(name, found[name], fixed, options.seconds), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def row(
    name: str, rounds: list[dict[str, tuple[int, int]]], fixed: list[int], seconds: float
) -> str:
    """A line of the table: medians with the lowest and the highest."""
    best = [max((runs[str(n)][0], n) for n in fixed) for runs in rounds]
    ratios = [runs["auto"][0] / good * 100 for runs, (good, _) in zip(rounds, best, strict=True)]
    refused = [runs["auto"][1] / sum(runs["auto"]) * 100 for runs in rounds]
    numbers = sorted({n for _, n in best})
    return (
        f"| {name} | {' or '.join(map(str, numbers))} "
        f"| {spread([good / seconds for good, _ in best])} "
        f"| {spread(ratios)} % | {spread(refused)} % |"
    )


def read_for(url: str, setting: str, seconds: float) -> None:
    """Read for so long, and let nothing land."""
    with tempfile.TemporaryDirectory(prefix="bronze-adaptive-") as folder:
        path = Path(folder, "pipelines.toml")
        concurrency = '"auto"' if setting == "auto" else setting
        path.write_text(PIPELINES.format(url=url, concurrency=concurrency))

        async def read() -> None:
            async with open_engine(load_config(path)) as engine:
                with suppress(TimeoutError):
                    async with SYSTEM_CLOCK.timeout(seconds + 1):
                        await engine.run("bench.orders", run_date=date(2025, 1, 15))

        asyncio.run(read())


if __name__ == "__main__":
    main()
