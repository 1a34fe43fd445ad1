"""PostgreSQL into Parquet, against rivals: one server, two tables, everybody in turn.

    python -m benchmarks.postgres                      lineitem at scale 1, a million mixed rows
    python -m benchmarks.postgres --data DIR           keeps the tables there for the next time
    python -m benchmarks.postgres --scale 0.1 --mixed-rows 200000 --only ours,adbc,psql
    python -m benchmarks.postgres --memory             ours at 1 and at 10 million rows
    python -m benchmarks.postgres --page docs/benchmarks.md      writes table and chart there

Each candidate is a process of its own and lands every row on local disk as Parquet, by zstd at
level 1. Libraries are imported before the clock starts; of programs (bronze run, ingestr, Sling,
psql) start-up counts. A run counts only once its files, read back, hold every row: their
number and the sum of the key; of every other column it is noted whether its values are the
server's. CPU and memory are the client's, children included, never the server's. psql's COPY
into /dev/null is the limit. Ratios compare runs of the same round and are printed as median
(lowest to highest). A rival that takes more than 20 seconds runs in the first round alone, and
Sling reads the first half million rows: all of lineitem would take it three minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

from tests.integration.postgres import PostgresServer

from benchmarks import postgres_page
from benchmarks.postgres_landed import Landed, read_back
from benchmarks.postgres_server import dsn_of, serve
from benchmarks.postgres_tables import Table, lineitem, mixed
from benchmarks.runner import ROOT, Candidate, Measured, Skipped, measure

SLOW_SECONDS = 20
SLOW_ROWS = 500_000
HERE = Path(sys.executable)
RIVALS = ROOT / ".bench-venv/bin/python"
TPCHGEN = RIVALS.with_name("tpchgen-cli")
PARTITION = "bronze/**/dt=*/part-*.parquet"

OURS = Candidate("ours", HERE, "benchmarks.candidates.table", files=PARTITION)
LIMIT = Candidate("psql", HERE, "benchmarks.rivals.psql_copy")
CANDIDATES = (
    OURS,
    replace(OURS, name="ours-2", arguments=("--variant=2",)),
    Candidate("bronze-run", HERE, "benchmarks.candidates.bronze_run", files=PARTITION),
    LIMIT,
    Candidate("duckdb", RIVALS, "benchmarks.rivals.duckdb_copy", files="table.parquet"),
    Candidate("adbc", RIVALS, "benchmarks.rivals.adbc_stream", files="table.parquet"),
    Candidate("connectorx", RIVALS, "benchmarks.rivals.connectorx_stream", files="table.parquet"),
    Candidate("dlt", RIVALS, "benchmarks.rivals.dlt_table", files="lake/bench/*/*.parquet"),
    Candidate("ingestr", RIVALS, "benchmarks.rivals.ingestr_program", files="table.parquet"),
    Candidate(
        "sling",
        RIVALS,
        "benchmarks.rivals.sling_program",
        (f"--rows={SLOW_ROWS}",),
        files="table.parquet",
    ),
)
MEMORY_ROWS = (1_000_000, 10_000_000)


@dataclass
class Outcome:
    """What became of a candidate at one table."""

    runs: list[Measured] = field(default_factory=list)
    """One a round; fewer where it is slow."""
    landed: Landed | None = None
    skipped: str = ""
    """Why it could not run."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.postgres",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help="names with commas between them, the first is compared")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of lineitem; 0 leaves it out")
    parser.add_argument("--mixed-rows", type=int, default=1_000_000, help="0 leaves it out")
    parser.add_argument("--data", type=Path, help="keep server and tables in this folder")
    parser.add_argument("--memory", action="store_true", help="peak memory, 1 and 10 million rows")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    parser.add_argument("--page", type=Path, help="put table and chart into this Markdown file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the server is ended, too
    chosen = _chosen(options.only)
    tables = [mixed(rows) for rows in MEMORY_ROWS] if options.memory else []
    if not options.memory and options.scale:
        tables.append(lineitem(options.scale, TPCHGEN))
    if not options.memory and options.mixed_rows:
        tables.append(mixed(options.mixed_rows))
    if any(each.python == RIVALS for each in chosen) or (options.scale and not options.memory):
        _make_rivals()
    if options.scale and not options.memory and not TPCHGEN.exists():
        sys.exit("lineitem is made by tpchgen-cli, of the rivals' environment; --scale 0: without")
    with _folder(options.data) as folder, serve(folder) as server:
        found = {
            table.name: (
                measure_table(table, [OURS], 1, server, folder)
                if options.memory
                else measure_table(table, chosen, options.rounds, server, folder)
            )
            for table in tables
        }
        result = {
            "command": " ".join(["python -m benchmarks.postgres", *_plain(sys.argv[1:])]),
            "versions": postgres_page.versions(server, RIVALS),
            "tables": {
                name: {each: asdict(outcome) for each, outcome in outcomes.items()}
                for name, outcomes in found.items()
            },
        }
    print(postgres_page.memory(result) if options.memory else postgres_page.speed(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.page:
        postgres_page.write(result, options.page, is_memory=options.memory)


def _chosen(only: str | None) -> list[Candidate]:
    known = {each.name: each for each in CANDIDATES}
    names = only.split(",") if only else list(known)
    if unknown := sorted(set(names) - set(known)):
        sys.exit(f"--only: {', '.join(unknown)} is none of {', '.join(known)}")
    return [known[name] for name in names]


def _make_rivals() -> None:
    if RIVALS.exists():
        return
    print("making the rivals' environment", file=sys.stderr)
    subprocess.run(["make", "--silent", ".bench-venv/.rivals"], cwd=ROOT, check=False)


def _plain(arguments: Sequence[str]) -> list[str]:
    """Without those that say where things are kept on this machine."""
    kept = iter(arguments)
    return [
        each
        for each in kept
        if not (each in ("--data", "--json", "--page") and next(kept, None) is not None)
        and not each.startswith(("--data=", "--json=", "--page="))
    ]


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Where server and tables are: kept where it was named, else removed with the block."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    folder.chmod(0o711)  # the server runs as another user where this one is root
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def measure_table(
    table: Table,
    candidates: Sequence[Candidate],
    rounds: int,
    server: PostgresServer,
    folder: Path,
) -> dict[str, Outcome]:
    """All candidates in turn, `rounds` times, at one table."""
    print(f"{table.name}: loading, where it is not there", file=sys.stderr)
    table.fill(server, folder)
    whole = table.expected(server)  # which brings it into the page cache, too
    beginning = whole
    if int(whole[""]) > SLOW_ROWS and any(_reads_beginning(each) for each in candidates):
        beginning = table.expected(server, SLOW_ROWS)
    outcomes = {each.name: Outcome() for each in candidates}
    for number in range(rounds):
        for candidate in candidates:
            outcome = outcomes[candidate.name]
            is_rival = candidate.python == RIVALS
            if outcome.skipped or (is_rival and _is_slow(outcome)):
                continue
            try:
                if not candidate.python.exists():
                    raise Skipped("the rivals' environment could not be made")
                expected = beginning if _reads_beginning(candidate) else whole
                run = _run(candidate, table, expected, server, outcome)
            except (Skipped, RuntimeError) as error:
                if not is_rival:
                    raise
                outcome.skipped = str(error)
                print(f"{candidate.name}: skipped, {error}", file=sys.stderr)
                continue
            outcome.runs.append(run)
            print(
                f"{table.name} round {number + 1} {candidate.name}: {run.per_second():,.0f} rows/s,"
                f" {run.cpu_per(1e6):.2f} CPU-s per million",
                file=sys.stderr,
            )
    return outcomes


def _reads_beginning(candidate: Candidate) -> bool:
    return any(each.startswith("--rows=") for each in candidate.arguments)


def _is_slow(outcome: Outcome) -> bool:
    return any(run.seconds > SLOW_SECONDS for run in outcome.runs)


def _run(
    candidate: Candidate,
    table: Table,
    expected: Mapping[str, str],
    server: PostgresServer,
    outcome: Outcome,
) -> Measured:
    out = Path(tempfile.mkdtemp(prefix=f"bench-{candidate.name}-"))
    arguments = [f"--dsn={dsn_of(server)}", f"--table={table.name}", f"--out={out}"]
    environment = candidate.environment | {"PSQL": server.psql()}
    try:
        return measure(
            replace(candidate, environment=environment),
            arguments,
            partial(_check, candidate, table, expected, out, outcome),
        )
    finally:
        shutil.rmtree(out)


def _check(
    candidate: Candidate, table: Table, expected: Mapping[str, str], out: Path, outcome: Outcome
) -> int:
    """The rows that have landed; of the limit those that the server has sent."""
    if not candidate.files:
        return int(expected[""])
    outcome.landed = read_back(table, expected, sorted(out.glob(candidate.files)))
    return outcome.landed.rows


if __name__ == "__main__":
    main()
