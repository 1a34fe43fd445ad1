"""A curated table of 5 million keys: a day's 500,000 changes merged into it, and its making.

What is counted are the rows of the table as it must then be. A run counts only once they are, all
columns of all of them: a sum of hashes is compared with one of a window function over everything.
What a candidate holds beside its interpreter and libraries is told of each: ours may hold half a
GiB, and is compared with those who hold less than twice that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from deltalake import DeltaTable

from benchmarks.data.changes import (
    DELTAS,
    Amounts,
    Digest,
    digest_of,
    digest_of_database,
    expected_digest,
    make_changes,
)
from benchmarks.harness.comparison import ROWS, Case
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.figures import (
    MIB,
    Figures,
    cpu,
    has_run,
    rate,
    ratio,
    rivals_of,
)
from benchmarks.harness.landed import Landed, look
from benchmarks.harness.measure import ROOT, Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import tell_comparison, verdict

__all__ = ["SCENARIO", "tell"]

ASKED_MIB: Final = 512
"""Resident memory over that of the interpreter and the libraries."""
AMOUNTS: Final[dict[Size, Amounts]] = {
    "tiny": Amounts(4, 5_000, 500),
    "short": Amounts(4, 250_000, 25_000),
    "full": Amounts(4, 5_000_000, 500_000),
}
OURS: Final = Candidate("ours", "bronze-engine", "ours", HERE, "benchmarks.candidates.silver")
DELTA: Final = replace(
    OURS,
    name="ours-delta",
    label='bronze-engine, encoding = "delta"',
    settings={"encoding": "delta"},
)
POLARS: Final = Candidate(
    "polars",
    "a script of Polars {polars}, streaming",
    "script",
    HERE,
    "benchmarks.rivals.polars_merge",
    files="table.parquet",
)
EAGER: Final = replace(
    POLARS,
    name="polars-eager",
    label="a script of Polars {polars}, eager",
    settings={"is_streaming": False},
)
DELTALAKE: Final = Candidate(
    "deltalake",
    "deltalake {deltalake}, its merge",
    "library",
    HERE,
    "benchmarks.rivals.deltalake_merge",
)
DLT: Final = Candidate(
    "dlt", "dlt {dlt}, its merge into DuckDB", "framework", RIVALS, "benchmarks.rivals.dlt_merge"
)
MERGING: Final = (OURS, DELTA, POLARS, EAGER, DELTALAKE, DLT)
MAKING: Final = (OURS, DELTA, POLARS, EAGER)
"""The others have no way to make a table of records that are not the newest of their keys."""

TITLES: Final = {
    "spread": "{changes:,} changes, spread over a table of {keys:,} rows",
    "recent": "{changes:,} changes of the highest keys, of a table of {keys:,} rows",
    "": "A table of {keys:,} rows, made of {rows:,} records",
    "full": "{changes:,} changes, into a full history of {rows:,} versions",
}


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    amounts = AMOUNTS[size]
    path = make_changes(folder, amounts)
    days, current = sorted((path / "days").glob("*.parquet")), path / "current.parquet"
    for delta in DELTAS:
        merged = [current, *(path / delta).glob("*.parquet")]
        job = {"path": path, "delta": delta}
        headline = "a day merged into Silver" if delta == "spread" else ""
        yield _case(f"merge-{delta}", MERGING, job, amounts, expected_digest(merged), headline)
    yield _case("make", MAKING, {"path": path, "delta": ""}, amounts, digest_of([current]), "")
    job = {"path": path, "delta": "spread", "history": "full"}
    every = [*days, *(path / "spread").glob("*.parquet")]
    yield _case("merge-history", [OURS], job, amounts, digest_of(every), "")


def _case(
    name: str,
    candidates: Sequence[Candidate],
    job: Mapping[str, str | Path],
    amounts: Amounts,
    expected: Digest,
    headline: str,
) -> Case:
    title = TITLES[str(job.get("history", job["delta"]))]

    def check(candidate: Candidate, out: Path) -> Landed:
        found, landed = _found(candidate, out)
        assert found == expected, f"{candidate.name} made {found}, expected {expected}"
        return replace(landed, amount=found.rows)

    return Case(
        name=f"{name}-{amounts.keys}",
        title=title.format(rows=amounts.rows, **amounts._asdict()),
        unit=ROWS,
        candidates=candidates,
        job=job,
        check=check,
        prepare=lambda candidate: _prepare(candidate, job, name),
        headline=headline,
    )


def _prepare(candidate: Candidate, job: Mapping[str, str | Path], case: str) -> None:
    """Have it make its own table, once in this folder. Who can't says so when it is to run."""
    done = Path(job["path"]) / f"{case}-{candidate.name}.prepared"
    if done.exists():
        return
    told = json.dumps({**job, "out": "", "is_prepared": False, **candidate.settings}, default=str)
    command = [str(candidate.python), "-m", candidate.module, told]
    if subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr).returncode == 0:
        done.touch()


def _found(candidate: Candidate, out: Path) -> tuple[Digest, Landed]:
    """What a candidate's table holds, by nothing but DuckDB and the list of the table's files."""
    if candidate.name == "dlt":
        return digest_of_database(out / "lake.duckdb", "bench.rows"), Landed(0)
    if candidate.name == "deltalake":
        files = [Path(unquote(urlsplit(uri).path)) for uri in DeltaTable(out / "delta").file_uris()]
    elif candidate.kind == "ours":
        place = out / "lake/silver/bench/rows"
        manifest = json.loads((place / "_metadata.json").read_text())
        files = [place / file["name"] for file in manifest["files"]]
    else:
        files = sorted(out.glob(candidate.files))
    return digest_of(files), look(files)


def tell(figures: Figures) -> str:
    """The comparison, and of each case what everybody holds."""
    grown = [_grown(case) for case in figures["cases"].values()]
    return "\n\n".join([tell_comparison(figures), *grown])


def _grown(case: Figures) -> str:
    ran = {name: each for name, each in case["outcomes"].items() if has_run(each)}
    grown = {
        name: spread(
            [(run["peak_rss_bytes"] - run["base_rss_bytes"]) / MIB for run in each["runs"]]
        )
        for name, each in ran.items()
    }
    told = ", ".join(f"{name} {mib} MiB" for name, mib in grown.items())
    lines = [f"{case['title']}. Peak RSS over that of the interpreter and libraries: {told}."]
    for own in (OURS.name, DELTA.name):
        if own not in ran:
            continue
        asked = f"{own} holds at most {ASKED_MIB} MiB"
        lines.append(verdict(grown[own].high <= ASKED_MIB, asked))
        for name in rivals_of(case):
            if grown[name].median <= 2 * ASKED_MIB:
                faster, leaner = ratio(case, own, name, rate), ratio(case, own, name, cpu)
                told = f"{own} has {faster} of the rows/s of {name}, and {leaner} of its CPU"
                lines.append(verdict(faster.median >= 1, told))
    return "\n".join(lines)


SCENARIO: Final = comparison(
    "silver_merge",
    "A curated table",
    cases,
    frozenset(each.name for each in MERGING),
    tell=tell,
)
