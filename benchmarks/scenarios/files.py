"""Files into Parquet on local disk: the same rows in four formats, everybody in turn.

A run counts only once its files, read back by DuckDB, hold every row: their number and the sum of
the ids; of every other column it is noted whether its values are those that were made.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.data.files import FORMATS, make_file, rows_of
from benchmarks.data.files_landed import expected_facts, read_back
from benchmarks.harness.comparison import ROWS, Case
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison

__all__ = ["CANDIDATES", "OURS", "SCENARIO", "case"]

ONE_FILE: Final = "table.parquet"
OURS: Final = Candidate(
    "ours",
    "bronze-engine",
    "ours",
    HERE,
    "benchmarks.candidates.files",
    files="bronze/**/dt=*/part-*.parquet",
)
PYARROW: Final = Candidate(
    "pyarrow",
    "a plain script of pyarrow {pyarrow}",
    "script",
    RIVALS,
    "benchmarks.rivals.pyarrow_files",
    files=ONE_FILE,
)
DUCKDB: Final = Candidate(
    "duckdb",
    "DuckDB {duckdb}",
    "library",
    RIVALS,
    "benchmarks.rivals.duckdb_files",
    files=ONE_FILE,
)
DLT: Final = Candidate(
    "dlt",
    "dlt {dlt}",
    "framework",
    RIVALS,
    "benchmarks.rivals.dlt_files",
    files="lake/bench/rows/*.parquet",
)
SLING: Final = Candidate(
    "sling",
    "Sling {sling-linux-amd64}",
    "framework",
    RIVALS,
    "benchmarks.rivals.sling_files",
    files=ONE_FILE,
)
PYTHON: Final = Candidate(
    "python",
    "a loop in Python",
    "script",
    RIVALS,
    "benchmarks.rivals.python_fixed",
    files=ONE_FILE,
)
CANDIDATES: Final = {
    "csv": (OURS, PYARROW, DUCKDB, DLT, SLING),
    "ndjson": (OURS, PYARROW, DUCKDB, DLT),
    "fixed": (OURS, DUCKDB, PYTHON),
    "parquet": (OURS, PYARROW, DUCKDB, DLT),
}
"""Who reads what. Sling takes no NDJSON without a document around it."""

TITLES: Final = {
    "csv": "CSV",
    "ndjson": "NDJSON",
    "fixed": "Fixed-width lines",
    "parquet": "Parquet",
}
ASKED: Final = {"csv": {"pyarrow": 0.8, "dlt": 1.0, "sling": 1.0}, "fixed": {"python": 10.0}}
HEADLINES: Final = {"csv": "CSV → Parquet"}
MEGABYTES: Final[dict[Size, float]] = {"tiny": 0.3, "short": 30, "full": 1000}


def case(form: str, megabytes: float, folder: Path, candidates: Sequence[Candidate]) -> Case:
    """A file, made where it is not there."""
    rows = rows_of(form, megabytes)
    print(f"{form}: {rows:,} rows, made where they are not there", file=sys.stderr)
    path = make_file(folder, form, rows)
    with path.open("rb") as file:  # into the page cache
        while file.read(1 << 20):
            pass
    facts = expected_facts(rows)

    def check(candidate: Candidate, out: Path) -> Landed:
        return read_back(rows, facts, sorted(out.glob(candidate.files)))

    return Case(
        name=f"{form}-{rows}",
        title=f"{TITLES[form]}, {rows:,} rows",
        unit=ROWS,
        candidates=candidates,
        job={"path": path, "format": form},
        check=check,
        asked=ASKED.get(form, {}),
        headline=HEADLINES.get(form, ""),
    )


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    for form in FORMATS:
        yield case(form, MEGABYTES[size], folder, CANDIDATES[form])


SCENARIO: Final = comparison(
    "files", "A file", cases, frozenset(c.name for each in CANDIDATES.values() for c in each)
)
