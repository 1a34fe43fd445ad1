"""Tables of PostgreSQL into Parquet on local disk: one server, everybody in turn.

A run counts only once its files, read back, hold every row: their number and the sum of the key;
of every other column it is noted whether its values are the server's. psql's COPY into /dev/null is
the limit. Sling reads the beginning of a table alone: all of lineitem would take it minutes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.integration.postgres_server import PostgresServer

from benchmarks.data.tables import Table, lineitem, mixed
from benchmarks.data.tables_landed import read_back
from benchmarks.harness.comparison import ROWS, Case
from benchmarks.harness.environment import HERE, RIVALS, make_rivals
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.servers.postgres import dsn_of, name_of, serve

__all__ = ["ADBC", "BRONZE_RUN", "DLT", "DUCKDB", "OURS", "SCENARIO", "SLING", "case"]

TPCHGEN: Final = RIVALS.with_name("tpchgen-cli")
PARTITION: Final = "bronze/**/dt=*/part-*.parquet"
ONE_FILE: Final = "table.parquet"

OURS: Final = Candidate(
    "ours", "bronze-engine", "ours", HERE, "benchmarks.candidates.table", files=PARTITION
)
LIMIT: Final = Candidate(
    "psql", "`psql COPY … > /dev/null`: the limit", "limit", HERE, "benchmarks.rivals.psql_copy"
)
BRONZE_RUN: Final = replace(
    OURS,
    name="bronze-run",
    label="`bronze run`, start-up included",
    module="benchmarks.candidates.bronze_run",
)
DUCKDB: Final = Candidate(
    "duckdb",
    "DuckDB {duckdb}, its postgres extension",
    "library",
    RIVALS,
    "benchmarks.rivals.duckdb_copy",
    files=ONE_FILE,
)
ADBC: Final = Candidate(
    "adbc",
    "ADBC {adbc-driver-postgresql}, pyarrow",
    "library",
    RIVALS,
    "benchmarks.rivals.adbc_stream",
    files=ONE_FILE,
)
DLT: Final = Candidate(
    "dlt",
    "dlt {dlt} over ConnectorX",
    "framework",
    RIVALS,
    "benchmarks.rivals.dlt_table",
    files="lake/bench/*/*.parquet",
)
SLING: Final = Candidate(
    "sling",
    "Sling {sling-linux-amd64}",
    "framework",
    RIVALS,
    "benchmarks.rivals.sling_program",
    files=ONE_FILE,
)
CANDIDATES: Final = (
    OURS,
    replace(
        OURS,
        name="ours-2",
        label="bronze-engine, `partitions = 2`",
        settings={"partitions": 2},
    ),
    BRONZE_RUN,
    LIMIT,
    DUCKDB,
    ADBC,
    Candidate(
        "connectorx",
        "ConnectorX {connectorx}, pyarrow",
        "library",
        RIVALS,
        "benchmarks.rivals.connectorx_stream",
        files=ONE_FILE,
    ),
    DLT,
    Candidate(
        "ingestr",
        "ingestr {ingestr}",
        "framework",
        RIVALS,
        "benchmarks.rivals.ingestr_program",
        files="*.parquet",
    ),
    SLING,
)


@dataclass(frozen=True)
class Sizes:
    scale: float
    """Of lineitem; 0 leaves it out."""
    mixed_rows: int
    slow_rows: int
    """What Sling reads, at the most."""


SIZES: Final[dict[Size, Sizes]] = {
    "tiny": Sizes(0, 2000, 1000),
    "short": Sizes(0.1, 200_000, 100_000),
    "full": Sizes(1, 1_000_000, 500_000),
}


def case(
    table: Table,
    server: PostgresServer,
    folder: Path,
    candidates: Sequence[Candidate],
    *,
    title: str,
    slow_rows: int,
    headline: str = "",
) -> Case:
    """A table, loaded where it is not there."""
    table.fill(server, folder)
    whole = table.expected(server)  # which brings it into the page cache, too
    rows = int(whole[""])
    beginning = table.expected(server, slow_rows) if rows > slow_rows else whole
    chosen = [
        replace(
            each,
            settings={**each.settings, **({"rows": slow_rows} if each is SLING else {})},
            environment={**each.environment, "PSQL": server.psql()},
        )
        for each in candidates
    ]

    def check(candidate: Candidate, out: Path) -> Landed:
        if candidate.kind == "limit":
            return Landed(rows)  # what the server has sent
        expected = beginning if candidate.settings.get("rows") else whole
        return read_back(table, expected, sorted(out.glob(candidate.files)))

    return Case(
        name=table.name,
        title=f"{title}, {rows:,} rows of {name_of(server)}",
        unit=ROWS,
        candidates=chosen,
        job={"dsn": dsn_of(server), "table": table.name},
        check=check,
        asked={"psql": 0.9, "dlt": 1.8, "adbc": 1.3},
        asked_mib=300,
        headline=headline,
    )


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    sizes = SIZES[size]
    if sizes.scale and not TPCHGEN.exists():
        make_rivals()  # tpchgen-cli, which makes lineitem, is of their environment
    with serve(folder) as server:
        if sizes.scale:
            yield case(
                lineitem(sizes.scale, TPCHGEN), server, folder, CANDIDATES,
                title="TPC-H lineitem", slow_rows=sizes.slow_rows,
                headline="PostgreSQL → Parquet",
            )  # fmt: skip
        yield case(
            mixed(sizes.mixed_rows), server, folder, CANDIDATES,
            title="A table of many types", slow_rows=sizes.slow_rows,
        )  # fmt: skip


SCENARIO: Final = comparison(
    "postgres", "A table of PostgreSQL", cases, frozenset(each.name for each in CANDIDATES)
)
