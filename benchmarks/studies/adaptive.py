"""`concurrency = "auto"` against every fixed number, on a server that hides its limit.

The server answers 429 beyond so many requests at once, or a second (`throttled_api`), and
counts what it has answered and refused; each setting reads from it for so many seconds and is
then cancelled. The goal: at least 85 % of the best fixed number, and fewer than 3 % of the
requests refused. Ratios compare runs of the same round.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.harness.figures import Figures
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table
from benchmarks.servers.throttled_api import ThrottledApi
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

Runs = dict[str, list[int]]
"""Of each setting: answered and refused."""

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


class Sizes(NamedTuple):
    cases: Sequence[str]
    fixed: Sequence[int]
    seconds: float
    latency_ms: float = 100.0


SIZES: Final[dict[Size, Sizes]] = {
    "tiny": Sizes(["10 at once"], [5, 10, 40], 3),
    "short": Sizes(["30 at once", "100 a second"], [4, 10, 30, 60, 100], 10),
    "full": Sizes(list(CASES), [1, 4, 10, 20, 30, 60, 100, 200], 30),
}


def run(options: Options) -> dict[str, Any]:
    """Of each hidden limit, round and setting: how many were answered, and how many refused."""
    sizes = SIZES[options.size]
    logging.getLogger("bronze_engine").setLevel(logging.ERROR)  # a line for each refusal
    found: dict[str, list[Runs]] = {name: [] for name in sizes.cases}
    with ThrottledApi.start() as api:
        for name in sizes.cases:
            for _ in range(options.rounds):
                runs: Runs = {}
                for setting in ("auto", *map(str, sizes.fixed)):
                    api.begin(**CASES[name], seconds=sizes.seconds, latency_ms=sizes.latency_ms)
                    read_for(api.url, setting, sizes.seconds)
                    told = api.told()
                    assert told["good"], f"{name}: nothing was read at {setting}"
                    runs[setting] = [told["good"], told["refused"]]
                    print(f"{name}, {setting}: {told}", file=sys.stderr)
                found[name].append(runs)
    return {"seconds": sizes.seconds, "limits": found}


def tell(figures: Figures) -> str:
    titles = ["hidden limit", "best fixed", "its requests/s", "auto, of that", "auto, refused"]
    rows = [row(name, runs, figures["seconds"]) for name, runs in figures["limits"].items()]
    return table(titles, rows)


def row(name: str, rounds: Sequence[Runs], seconds: float) -> list[str]:
    """A line of the table: medians with the lowest and the highest."""
    best = [max((good, int(n)) for n, (good, _) in runs.items() if n != "auto") for runs in rounds]
    ratios = [runs["auto"][0] / good * 100 for runs, (good, _) in zip(rounds, best, strict=True)]
    refused = [runs["auto"][1] / sum(runs["auto"]) * 100 for runs in rounds]
    numbers = sorted({n for _, n in best})
    return [
        name,
        " or ".join(map(str, numbers)),
        str(spread([good / seconds for good, _ in best])),
        f"{spread(ratios)} %",
        f"{spread(refused)} %",
    ]


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


SCENARIO: Final = Scenario("adaptive", '`concurrency = "auto"` and a hidden limit', run, tell)
