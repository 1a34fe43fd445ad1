"""Many requests in flight to a slow API: how near the engine comes to the ideal rate.

The ideal of n in flight at a latency of t is n / t requests/s, less what the first page, read
alone, and the last round leave idle; beyond some 3,000 requests/s one process is at the end
of its CPU. Rows and sums are checked as in the scenario `http`, and the server says how many
requests it has really had in flight. "auto" is measured beside the numbers.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.harness.comparison import Case, Unit
from benchmarks.harness.figures import Figures, cpu, rate
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table
from benchmarks.scenarios import paged_api
from benchmarks.servers.null_api import NullApi

__all__ = ["SCENARIO"]

PAGE_SIZE: Final = 100
LATENCY_MS: Final = 100.0
REQUESTS: Final = Unit("requests/s", "CPU-us a request", PAGE_SIZE, PAGE_SIZE * 1e6)


class Sizes(NamedTuple):
    in_flight: tuple[int, ...]
    pages: int


SIZES: Final[dict[Size, Sizes]] = {
    "tiny": Sizes((40,), 400),
    "short": Sizes((200,), 4000),
    "full": Sizes((200, 1000), 20_000),
}


def cases(size: Size, _folder: Path) -> Generator[Case, None, None]:
    levels, pages = SIZES[size]
    ours = replace(paged_api.OURS, watch_lag=False)
    candidates = [
        replace(ours, name="auto", label="`auto`"),
        *(replace(ours, name=str(n), label=str(n), settings={"in_flight": n}) for n in levels),
    ]
    load = paged_api.Load(pages, PAGE_SIZE, LATENCY_MS)
    with NullApi.start(records=load.records, latency_ms=LATENCY_MS) as api:
        case = paged_api.case(load, candidates, api)

        def check(candidate: Candidate, out: Path) -> Landed:
            """What has landed, and beside it how many requests the server had at once."""
            in_flight = api.peak()["in_flight"]
            return replace(case.check(candidate, out), types={"in_flight": str(in_flight)})

        yield replace(case, unit=REQUESTS, check=check, asked_mib=None)


def tell(figures: Figures) -> str:
    [case] = figures["cases"].values()
    unit = case["unit"]
    rows = []
    for name, outcome in case["outcomes"].items():
        rates = [rate(run, unit) for run in outcome["runs"]]
        ideal = (
            ""
            if name == "auto"
            else str(spread([r * LATENCY_MS / 1000 / int(name) for r in rates]))
        )
        cost = spread([cpu(run, unit) for run in outcome["runs"]])
        seen = outcome["landed"]["types"]["in_flight"]
        rows.append([outcome["label"], seen, str(spread(rates)), ideal, str(cost)])
    titles = ["in flight", "most at once", "requests/s", "of the ideal", "CPU, us a request"]
    return f"#### {case['title']}\n\n{table(titles, rows)}"


SCENARIO: Final = comparison(
    "concurrency",
    "Many requests in flight",
    cases,
    frozenset({"auto", *(str(n) for each in SIZES.values() for n in each.in_flight)}),
    tell=tell,
)
