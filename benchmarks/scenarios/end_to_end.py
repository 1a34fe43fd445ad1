"""From a source into S3: an API's pages, and a table of PostgreSQL.

S3 is a process of its own (`servers/s3.py`), which verifies checksums and keeps what lands. A run
counts only once its objects, read back, hold every row: what is checked is what the scenarios
`http` and `postgres` check. Ours runs as a library, as the others do, and as `bronze run`, with its
start-up, its checks of the store and its display.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.data.tables import mixed
from benchmarks.harness.comparison import Case
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.scenarios import paged_api, postgres
from benchmarks.servers.null_api import NullApi
from benchmarks.servers.postgres import serve
from benchmarks.servers.s3 import S3

__all__ = ["SCENARIO"]

PARTITION: Final = "bench/*/dt=*/part-*.parquet"

FROM_API: Final = (
    replace(paged_api.OURS, files=PARTITION, watch_lag=False),
    replace(postgres.BRONZE_RUN, module="benchmarks.candidates.bronze_run_api", files=PARTITION),
    replace(paged_api.EXPERT, label="a script of aiohttp, orjson, pyarrow and its S3FileSystem"),
    replace(
        paged_api.DLT, label="dlt {dlt}, rest_api to filesystem", files="bench/orders/*.parquet"
    ),
)
FROM_TABLE: Final = (
    replace(postgres.OURS, files=PARTITION),
    replace(postgres.BRONZE_RUN, files=PARTITION),
    replace(
        postgres.ADBC,
        label="a script of ADBC {adbc-driver-postgresql}, pyarrow and its S3FileSystem",
        kind="script",
    ),
    replace(postgres.DLT, label="dlt {dlt}, sql_database to filesystem", files="bench/*/*.parquet"),
    replace(
        postgres.DUCKDB,
        label="DuckDB {duckdb}, its postgres and httpfs extensions",
        module="benchmarks.rivals.duckdb_s3",
    ),
    postgres.SLING,
)
LOADS: Final[dict[Size, paged_api.Load]] = {
    "tiny": paged_api.Load(3, 1000, 20),
    "short": paged_api.Load(60, 1000, 20),
    "full": paged_api.Load(1000, 1000, 20),
}
ROWS: Final[dict[Size, int]] = {"tiny": 2000, "short": 200_000, "full": 1_000_000}


def into_s3(case: Case, s3: S3, *, name: str, title: str, headline: str) -> Case:
    """The same work with S3 as its store: each run below a prefix of its own, its folder's name."""

    def check(candidate: Candidate, out: Path) -> Landed:
        landed = out / "landed"
        s3.take(out.name, landed)
        return case.check(candidate, landed)

    return replace(
        case,
        name=name,
        title=title,
        job={**case.job, "store": s3.store},
        check=check,
        asked={},
        asked_mib=None,
        headline=headline,
    )


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    with S3.start() as s3:
        load = LOADS[size]
        with NullApi.start(records=load.records, latency_ms=load.latency_ms) as api:
            yield into_s3(
                paged_api.case(load, FROM_API, api), s3,
                name="api-to-s3", title=f"{load}, to S3", headline="HTTP API → S3",
            )  # fmt: skip
        with serve(folder) as server:
            rows = ROWS[size]
            table = postgres.case(
                mixed(rows), server, folder, FROM_TABLE,
                title="A table of many types", slow_rows=rows,
            )  # fmt: skip
            yield into_s3(
                table, s3,
                name="table-to-s3", title=f"{table.title}, to S3", headline="PostgreSQL → S3",
            )  # fmt: skip


SCENARIO: Final = comparison(
    "end_to_end",
    "From a source into S3",
    cases,
    frozenset(each.name for each in (*FROM_API, *FROM_TABLE)),
)
