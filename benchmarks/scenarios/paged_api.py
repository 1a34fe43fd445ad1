"""Pages of a local API into Parquet on local disk: ours, dlt, the Airbyte CDK, and a script.

The server (`null_api`) is a process of its own. A run counts only once its Parquet files hold
every record: the number of rows, the sum of ids and the sum of amounts to the cent.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.data.orders import check_orders, expected_totals
from benchmarks.harness.comparison import ROWS, Case
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.servers.null_api import NullApi
from bronze_engine.demo.api import BEARER_TOKEN

__all__ = ["DLT", "EXPERT", "OURS", "SCENARIO", "Load", "case"]

OURS: Final = Candidate(
    "ours",
    "bronze-engine",
    "ours",
    HERE,
    "benchmarks.candidates.api",
    files="**/dt=*/part-*.parquet",
    watch_lag=True,
)
EXPERT: Final = Candidate(
    "expert",
    "a script of aiohttp, orjson and pyarrow",
    "script",
    HERE,
    "benchmarks.rivals.expert",
    files="orders.parquet",
)
DLT: Final = Candidate(
    "dlt",
    "dlt {dlt}, its rest_api source",
    "framework",
    RIVALS,
    "benchmarks.rivals.dlt_rest",
    files="lake/**/orders/*.parquet",
    environment={"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"},
)
AIRBYTE: Final = Candidate(
    "airbyte",
    "the Airbyte CDK {airbyte-cdk}, pyarrow",
    "framework",
    RIVALS,
    "benchmarks.rivals.airbyte",
    files="orders.parquet",
)
CANDIDATES: Final = (OURS, EXPERT, DLT, AIRBYTE)


@dataclass(frozen=True)
class Load:
    """What a server holds and how it answers."""

    pages: int
    page_size: int
    latency_ms: float

    @property
    def records(self) -> int:
        return self.pages * self.page_size

    def __str__(self) -> str:
        return (
            f"{self.pages:,} pages of {self.page_size:,} records, {self.latency_ms:g} ms a request"
        )


LOADS: Final[dict[Size, list[Load]]] = {
    "tiny": [Load(3, 1000, 20)],
    "short": [Load(300, 1000, 20)],
    "full": [
        Load(500_000 // size, size, latency)
        for size in (100, 1000, 5000)
        for latency in (0, 20, 100)
    ],
}


def case(load: Load, candidates: Sequence[Candidate], api: NullApi, headline: str = "") -> Case:
    """All records of a server."""
    expected = expected_totals(load.records)

    def check(candidate: Candidate, out: Path) -> Landed:
        return check_orders(expected, sorted(out.glob(candidate.files)))

    return Case(
        name=f"{load.pages}x{load.page_size}-{load.latency_ms:g}ms",
        title=str(load),
        unit=ROWS,
        candidates=candidates,
        job={
            "url": api.url,
            "token": BEARER_TOKEN,
            "records": load.records,
            "page_size": load.page_size,
        },
        check=check,
        asked_mib=300,
        headline=headline,
    )


def cases(size: Size, _folder: Path) -> Generator[Case, None, None]:
    for load in LOADS[size]:
        headline = "HTTP API → Parquet" if (load.page_size, load.latency_ms) == (1000, 20) else ""
        with NullApi.start(records=load.records, latency_ms=load.latency_ms) as api:
            yield case(load, CANDIDATES, api, headline)


SCENARIO: Final = comparison(
    "http", "A paged API", cases, frozenset(each.name for each in CANDIDATES)
)
