"""Files into Parquet, against rivals: the same rows in four formats, everybody in turn.

    python -m benchmarks.files                          1 GB each of CSV, NDJSON and fixed-width
    python -m benchmarks.files --formats csv --only ours,pyarrow --rounds 5
    python -m benchmarks.files --megabytes 100 --data DIR      keeps the files there
    python -m benchmarks.files --memory                 ours at 1 and at 8 GB of CSV
    python -m benchmarks.files --page docs/benchmarks.md       writes the tables there

Each candidate is a process of its own and lands every row on local disk as Parquet, by zstd at
level 1, with the same types. Libraries are imported before the clock starts; of programs (Sling)
start-up counts. A run counts only once its files, read back by DuckDB, hold every row: their
number and the sum of the ids; of every other column it is noted whether its values are those that
were made. CPU and memory are the candidate's, children included. Ratios compare runs of the same
round and are printed as median (lowest to highest). A rival that takes more than 20 seconds runs in
the first round alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks import file_page
from benchmarks.file_data import FORMATS, BenchFile, make_file, rows_of
from benchmarks.file_landed import Landed, expected_facts, read_back
from benchmarks.runner import ROOT, Candidate, Measured, Skipped, measure

SLOW_SECONDS = 20
HERE = Path(sys.executable)
RIVALS = ROOT / ".bench-venv/bin/python"
OURS = Candidate("ours", HERE, "benchmarks.candidates.files", files="bronze/**/dt=*/part-*.parquet")
DLT = Candidate("dlt", RIVALS, "benchmarks.rivals.dlt_files", files="lake/bench/rows/*.parquet")
SLING = Candidate("sling", RIVALS, "benchmarks.rivals.sling_files", files="table.parquet")
PYARROW = Candidate("pyarrow", RIVALS, "benchmarks.rivals.pyarrow_files", files="table.parquet")
DUCKDB = Candidate("duckdb", RIVALS, "benchmarks.rivals.duckdb_files", files="table.parquet")
PYTHON = Candidate("python", RIVALS, "benchmarks.rivals.python_fixed", files="table.parquet")
CANDIDATES = {
    "csv": (OURS, PYARROW, DUCKDB, DLT, SLING),
    "ndjson": (OURS, PYARROW, DUCKDB, DLT),
    "fixed": (OURS, DUCKDB, PYTHON),
    "parquet": (OURS, PYARROW, DUCKDB, DLT),
}
"""Who reads what. Sling takes no NDJSON without a document around it."""
MEMORY_FACTORS = (1, 8)


@dataclass
class Outcome:
    """What became of a candidate at one file."""

    runs: list[Measured] = field(default_factory=list)
    """One a round; fewer where it is slow."""
    landed: Landed | None = None
    skipped: str = ""
    """Why it could not run."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--formats", default=",".join(FORMATS), help="with commas between them")
    parser.add_argument("--only", help="names with commas between them, the first is compared")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=float, default=1000, help="of each file; see --rows")
    parser.add_argument("--rows", type=int, help="of each file, in place of --megabytes")
    parser.add_argument("--data", type=Path, help="keep the files in this folder")
    parser.add_argument("--memory", action="store_true", help="peak memory, 1 and 8 times of CSV")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    parser.add_argument("--page", type=Path, help="put the tables into this Markdown file")
    options = parser.parse_args()
    formats = ["csv"] if options.memory else _known(options.formats, FORMATS)
    names = {each.name for several in CANDIDATES.values() for each in several}
    only = [OURS.name] if options.memory else _known(options.only or ",".join(names), names)
    with _folder(options.data) as folder:
        found: dict[str, dict[str, Outcome]] = {}
        for form in formats:
            for factor in MEMORY_FACTORS if options.memory else (1,):
                rows = factor * (options.rows or rows_of(form, options.megabytes))
                file = _made(folder, form, rows)
                chosen = [each for each in CANDIDATES[form] if each.name in only]
                rounds = 1 if options.memory else options.rounds
                found[f"{form} {rows}"] = measure_file(file, chosen, rounds)
                if options.memory and options.data is None:
                    file.path.unlink()
        result = {
            "command": " ".join(["python -m benchmarks.files", *_plain(sys.argv[1:])]),
            "versions": file_page.versions(RIVALS),
            "files": {
                name: {each: asdict(outcome) for each, outcome in outcomes.items()}
                for name, outcomes in found.items()
            },
        }
    print(file_page.memory(result) if options.memory else file_page.speed(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.page:
        file_page.write(result, options.page, is_memory=options.memory)


def _known(text: str, known: Sequence[str] | set[str]) -> list[str]:
    names = text.split(",")
    if unknown := sorted(set(names) - set(known)):
        sys.exit(f"{', '.join(unknown)} is none of {', '.join(sorted(known))}")
    return names


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
    """Where the files are: kept where it was named, else removed with the block."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="bench-files-") as folder:
        yield Path(folder)


def _made(folder: Path, form: str, rows: int) -> BenchFile:
    print(f"{form}: {rows:,} rows, made where they are not there", file=sys.stderr)
    path = make_file(folder, form, rows)
    with path.open("rb") as file:  # into the page cache
        while file.read(1 << 20):
            pass
    return BenchFile(path, form, rows, expected_facts(rows))


def measure_file(
    file: BenchFile, candidates: Sequence[Candidate], rounds: int
) -> dict[str, Outcome]:
    """All candidates in turn, `rounds` times, at one file."""
    outcomes = {each.name: Outcome() for each in candidates}
    for number in range(rounds):
        for candidate in candidates:
            outcome = outcomes[candidate.name]
            is_rival = candidate.python == RIVALS
            if outcome.skipped or (
                is_rival and any(r.seconds > SLOW_SECONDS for r in outcome.runs)
            ):
                continue
            try:
                run = _run(candidate, file, outcome)
            except (Skipped, RuntimeError) as error:
                if not is_rival:
                    raise
                outcome.skipped = str(error)
                print(f"{candidate.name}: skipped, {error}", file=sys.stderr)
                continue
            outcome.runs.append(run)
            print(
                f"{file.format} round {number + 1} {candidate.name}: {run.per_second():,.0f}"
                f" rows/s, {run.cpu_per(1e6):.2f} CPU-s per million",
                file=sys.stderr,
            )
    return outcomes


def _run(candidate: Candidate, file: BenchFile, outcome: Outcome) -> Measured:
    if not candidate.python.exists():
        _make_rivals()
    out = Path(tempfile.mkdtemp(prefix=f"bench-{candidate.name}-"))
    try:
        return measure(
            candidate,
            [f"--path={file.path}", f"--format={file.format}", f"--out={out}"],
            partial(_check, candidate, file, out, outcome),
        )
    finally:
        shutil.rmtree(out)


def _make_rivals() -> None:
    print("making the rivals' environment", file=sys.stderr)
    subprocess.run(["make", "--silent", ".bench-venv/.rivals"], cwd=ROOT, check=False)
    if not RIVALS.exists():
        raise Skipped("the rivals' environment could not be made")


def _check(candidate: Candidate, file: BenchFile, out: Path, outcome: Outcome) -> int:
    """The rows that have landed."""
    outcome.landed = read_back(file.rows, file.facts, sorted(out.glob(candidate.files)))
    return outcome.landed.rows


if __name__ == "__main__":
    main()
