"""Many small pipelines at once, which is what a lake's night is made of.

Streams of a few pages from ten APIs: ours as one batch, a script of asyncio.gather and a
semaphore, and dlt, all streams in one pipeline and a pipeline each. Sling and ingestr read no API
of one's own. So the same with small tables of one server: ours, dlt's sql_database, Sling's
replication, ingestr a process a table, a script of ADBC, and DuckDB. What is counted are
pipelines, each of which must have landed apart with every row of its own: streams of other
servers, and all tables, differ in length.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.integration.postgres_server import PostgresServer

from benchmarks.data.orders import expected_totals, landed_totals
from benchmarks.data.tables import mixed
from benchmarks.harness.comparison import Case, Check, Unit
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.servers.null_api import NullApi
from benchmarks.servers.postgres import dsn_of, name_of, serve
from bronze_engine.demo.api import BEARER_TOKEN

__all__ = ["SCENARIO", "apis_case", "tables_case"]

PIPELINES: Final = Unit("pipelines/s", "CPU-s a thousand pipelines", 1.0, 1e3)
PARTITION: Final = "bronze/bench/{name}/dt=*/part-*.parquet"
ONE_FILE: Final = "{name}.parquet"
IN_LAKE: Final = "lake/bench/{name}/*.parquet"

STREAMS: Final = (
    Candidate(
        "ours", "bronze-engine", "ours", HERE, "benchmarks.candidates.batch_apis", files=PARTITION
    ),
    Candidate(
        "bronze-batch",
        "`bronze batch`, start-up included",
        "ours",
        HERE,
        "benchmarks.candidates.bronze_batch",
        files=PARTITION,
    ),
    Candidate(
        "expert",
        "a script of asyncio.gather, aiohttp, orjson and pyarrow",
        "script",
        HERE,
        "benchmarks.rivals.expert_batch",
        files=ONE_FILE,
    ),
    Candidate(
        "dlt-together",
        "dlt {dlt}, all streams in one pipeline",
        "framework",
        RIVALS,
        "benchmarks.rivals.dlt_batch_rest",
        files=IN_LAKE,
    ),
    Candidate(
        "dlt-apart",
        "dlt {dlt}, a pipeline a stream",
        "framework",
        RIVALS,
        "benchmarks.rivals.dlt_batch_rest",
        {"is_apart": True},
        files=IN_LAKE,
    ),
)
TABLES: Final = (
    Candidate(
        "ours", "bronze-engine", "ours", HERE, "benchmarks.candidates.batch_tables", files=PARTITION
    ),
    Candidate(
        "adbc",
        "a script of ADBC {adbc-driver-postgresql} and pyarrow",
        "script",
        RIVALS,
        "benchmarks.rivals.adbc_batch",
        files=ONE_FILE,
    ),
    Candidate(
        "duckdb",
        "DuckDB {duckdb}, its postgres extension",
        "library",
        RIVALS,
        "benchmarks.rivals.duckdb_batch",
        files=ONE_FILE,
    ),
    Candidate(
        "dlt",
        "dlt {dlt}, its sql_database",
        "framework",
        RIVALS,
        "benchmarks.rivals.dlt_batch_tables",
        files=IN_LAKE,
    ),
    Candidate(
        "sling",
        "Sling {sling-linux-amd64}, its replication",
        "framework",
        RIVALS,
        "benchmarks.rivals.sling_replication",
        files="lake/{name}.parquet",
    ),
    Candidate(
        "ingestr",
        "ingestr {ingestr}, a process a table",
        "framework",
        RIVALS,
        "benchmarks.rivals.ingestr_each",
        files=ONE_FILE,
    ),
)


@dataclass(frozen=True)
class Sizes:
    streams: int
    apis: int
    tables: int
    rows: int
    """Of the smallest table; each of the others has one more than the one before."""


SIZES: Final[dict[Size, Sizes]] = {
    "tiny": Sizes(4, 2, 3, 200),
    "short": Sizes(40, 10, 30, 2000),
    "full": Sizes(200, 10, 200, 2000),
}
PAGES: Final = 3
PAGE_SIZE: Final = 500
LATENCY_MS: Final = 20.0

Found = Callable[[Sequence[Path]], object]


def apis_case(sizes: Sizes, apis: Sequence[NullApi]) -> Case:
    """Streams of three pages over the servers; each server holds more than the one before."""
    totals = [expected_totals(_records(number)) for number in range(len(apis))]
    names = [f"stream_{number:03}" for number in range(sizes.streams)]
    expected = {name: totals[number % len(apis)] for number, name in enumerate(names)}
    return Case(
        name=f"streams-{sizes.streams}",
        title=(
            f"{sizes.streams} streams of {PAGES} pages over {len(apis)} APIs,"
            f" {LATENCY_MS:g} ms a request"
        ),
        unit=PIPELINES,
        candidates=STREAMS,
        job={
            "urls": [api.url for api in apis],
            "token": BEARER_TOKEN,
            "pipelines": sizes.streams,
            "pages": PAGES,
            "page_size": PAGE_SIZE,
        },
        check=_each(expected, landed_totals),
        headline="batch of small API streams",
    )


def tables_case(sizes: Sizes, server: PostgresServer, folder: Path) -> Case:
    """Tables of many types, each a row longer than the one before."""
    rows = {f"small_{number:03}": sizes.rows + number for number in range(sizes.tables)}
    for name, count in rows.items():
        mixed(count, name).fill(server, folder)
    expected = {name: (count, count * (count + 1) // 2) for name, count in rows.items()}
    return Case(
        name=f"tables-{sizes.tables}",
        title=f"{sizes.tables} tables of {sizes.rows:,} rows of {name_of(server)}",
        unit=PIPELINES,
        candidates=TABLES,
        job={"dsn": dsn_of(server), "tables": list(rows)},
        check=_each(expected, _rows_and_ids),
        headline="batch of small tables",
    )


def _records(api: int) -> int:
    """So many that the last page is short by a few: who mixes servers up is seen."""
    return PAGES * PAGE_SIZE - api


def _each(expected: Mapping[str, object], found: Found) -> Check:
    def check(candidate: Candidate, out: Path) -> Landed:
        for name, totals in expected.items():
            files = sorted(out.glob(candidate.files.format(name=name)))
            assert found(files) == totals, f"{name}: landed {found(files)}, expected {totals}"
        return Landed(len(expected))

    return check


def _rows_and_ids(files: Sequence[Path]) -> tuple[int, int]:
    tables = [pq.read_table(path, columns=["id"], partitioning=None) for path in files]
    ids = [pc.sum(table["id"]).as_py() or 0 for table in tables]
    return sum(map(len, tables)), sum(map(int, ids))


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    sizes = SIZES[size]
    with ExitStack() as stack:
        apis = [
            stack.enter_context(NullApi.start(records=_records(number), latency_ms=LATENCY_MS))
            for number in range(sizes.apis)
        ]
        yield apis_case(sizes, apis)
    with serve(folder) as server:
        yield tables_case(sizes, server, folder)


SCENARIO: Final = comparison(
    "batch",
    "Many small pipelines",
    cases,
    frozenset(each.name for each in (*STREAMS, *TABLES)),
)
