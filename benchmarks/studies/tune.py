"""`bronze tune` against a grid of all settings, on servers with three different bottlenecks.

Each server is tuned from a poor configuration; then what was proposed and every point of a grid
of page sizes and requests in flight are measured in turn, several times, by trials of the same
length. The goal: at least 85 % of the grid's best, and the bottleneck named for what it is.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.harness.figures import Figures
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table
from benchmarks.servers.paced_api import PacedApi
from bronze_engine import load_config, open_engine
from bronze_engine.engine import Engine
from bronze_engine.limits.trial import Purse
from bronze_engine.run.trial import TrialBounds
from bronze_engine.tune import Tune, TuneBounds, TuneReport
from bronze_engine.tune.settings import Settings, configured, roomy, with_settings

__all__ = ["CASES", "NAME", "PIPELINES", "SCENARIO", "Case"]

NAME: Final = "bench.rows"
DAY: Final = date(2025, 1, 15)
PIPELINES: Final = """
[engine]
target = "./bronze"
log_dir = ""
[apis.bench]
base_url = "{url}"
proxy = "none"
concurrency = {concurrency}
[pipelines.bench.rows.source]
type = "http"
api = "bench"
path = "/rows"
records = "data"
[pipelines.bench.rows.source.paginator]
type = "page"
size_param = "size"
page_size = {page_size}
total_path = "total"
"""


class Case(NamedTuple):
    """A server, the poor configuration to begin with, and what bounds it."""

    server: Mapping[str, float]
    concurrency: int
    page_size: int
    bounds: frozenset[str]
    grid_sizes: Sequence[int]
    grid_at_once: Sequence[int]


CASES: Final[dict[str, Case]] = {
    "latency: 50 ms a page, 16 at once": Case(
        {"latency_ms": 50, "at_once": 16, "max_size": 100},
        concurrency=2,
        page_size=50,
        bounds=frozenset({"latency"}),
        grid_sizes=(50, 100),
        grid_at_once=(2, 4, 8, 16, 32, 64),
    ),
    "rate: 20 requests a second, else 429": Case(
        {"per_second": 20, "max_size": 1000, "latency_ms": 5},
        concurrency=8,
        page_size=100,
        bounds=frozenset({"rate limit"}),
        grid_sizes=(100, 400, 1000),
        grid_at_once=(1, 2, 8),
    ),
    "CPU: 0 ms, records of 60 columns": Case(
        {"max_size": 2000, "columns": 60},
        concurrency=4,
        page_size=500,
        bounds=frozenset({"decode", "encode"}),
        grid_sizes=(500, 1000, 2000),
        grid_at_once=(1, 2, 4, 8),
    ),
}


class Sizes(NamedTuple):
    cases: Sequence[str]
    seconds: float
    full_grid: bool


SIZES: Final[dict[Size, Sizes]] = {
    "tiny": Sizes(list(CASES)[:1], 0.3, full_grid=False),
    "short": Sizes(list(CASES), 1.0, full_grid=True),
    "full": Sizes(list(CASES), 3.0, full_grid=True),
}


def run(options: Options) -> dict[str, Any]:
    """Of each server: what was proposed and named, and the rates of it and of the grid."""
    sizes = SIZES[options.size]
    logging.getLogger("bronze_engine").setLevel(logging.ERROR)  # a line for each refusal
    found: dict[str, Any] = {}
    for name in sizes.cases:
        case = CASES[name]
        with PacedApi.start(**case.server) as api, tempfile.TemporaryDirectory() as folder:
            found[name] = asyncio.run(_measured(case, api.url, Path(folder), sizes, options.rounds))
        print(f"{name}: {found[name]}", file=sys.stderr)
    return {"servers": found}


async def _measured(
    case: Case, url: str, folder: Path, sizes: Sizes, rounds: int
) -> dict[str, Any]:
    path = folder / "pipelines.toml"
    text = PIPELINES.format(url=url, concurrency=case.concurrency, page_size=case.page_size)
    path.write_text(text, encoding="utf-8")
    config = load_config(path)
    async with open_engine(config) as engine:
        bounds = TuneBounds(seconds=sizes.seconds)
        report = await Tune(engine, NAME, run_date=DAY, bounds=bounds).run()
        base = configured(config.pipeline(NAME))
        proposed = _proposed(base, report)
        grid = {
            f"{size} x {at_once}": msgspec.structs.replace(
                base, page_size=size, concurrency=at_once, rps=proposed.rps
            )
            for size in (case.grid_sizes if sizes.full_grid else case.grid_sizes[-1:])
            for at_once in case.grid_at_once
        }
        rates: dict[str, list[float]] = {"proposed": [], **{name: [] for name in grid}}
        for _ in range(rounds):
            for name, settings in {"proposed": proposed, **grid}.items():
                rates[name].append(await _rate(engine, settings, sizes.seconds))
    return {
        "proposed": f"{proposed.page_size} x {proposed.concurrency}"
        + (f", {proposed.rps:g} rps" if proposed.rps else ""),
        "bound": report.bound,
        "is_right": report.bound in case.bounds,
        "gain": report.gain,
        "requests": report.requests,
        "seconds": report.seconds,
        "rates": rates,
    }


def _proposed(base: Settings, report: TuneReport) -> Settings:
    values = {each.key[-1]: each.value for each in report.proposals}
    return msgspec.structs.replace(
        base,
        **{
            name: values[name]
            for name in ("concurrency", "page_size", "rps", "compression")
            if name in values
        },
    )


async def _rate(engine: Engine, settings: Settings, seconds: float) -> float:
    """Rows a second with these settings."""
    pipeline = with_settings(roomy(engine.config.pipeline(NAME)), settings)
    bounds = TrialBounds(seconds=2 * seconds, requests=1_000_000, concurrency=settings.concurrency)
    trial = await engine.trial(pipeline, run_date=DAY, bounds=bounds, purse=Purse(1_000_000))
    return trial.rows_per_second


def shares(told: Mapping[str, Any]) -> list[float]:
    """What was proposed, in percent of the grid's best, by rounds."""
    rates: dict[str, list[float]] = told["rates"]
    grid = {name: each for name, each in rates.items() if name != "proposed"}
    best = max(grid, key=lambda name: median(grid[name]))
    return [one / other * 100 for one, other in zip(rates["proposed"], grid[best], strict=True)]


def tell(figures: Figures) -> str:
    titles = ["server", "bound by", "proposed: page x at once", "of the best", "gain", "requests"]
    rows = [
        [
            name,
            told["bound"] + ("" if told["is_right"] else " (wrong)"),
            told["proposed"],
            f"{spread(shares(told))} %",
            f"{told['gain']:.1f} x",
            f"{told['requests']:,} in {told['seconds']:.0f} s",
        ]
        for name, told in figures["servers"].items()
    ]
    return table(titles, rows)


SCENARIO: Final = Scenario("tune", "`bronze tune` and a grid of all settings", run, tell)
