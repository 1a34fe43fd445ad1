"""The HTTP path against rivals, on one local API.

    python -m benchmarks.http                     ours, dlt, the Airbyte CDK, the expert's script
    python -m benchmarks.http --only ours,expert --page-sizes 100,1000,5000 --latencies-ms 0,20,100
    python -m benchmarks.http --memory            ours at 1,000 and at 16,000 pages

Without options: 1,000 pages of 1,000 records, 20 ms. The server (`null_api`) is a process of
its own. A run counts only once its Parquet files hold every
record: the number of rows, the sum of ids and the sum of amounts to the cent. Ratios
compare runs of the same round and are printed as median (lowest to highest).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

import msgspec
import pyarrow.parquet as pq

from benchmarks.null_api import SEED, NullApi
from benchmarks.runner import ROOT, Candidate, Measured, Spread, measure, spread
from bronze_engine.demo import data
from bronze_engine.demo.api import BEARER_TOKEN

BLOCK_ROWS = 1000
HERE = Path(sys.executable)
OURS = Candidate(
    "ours", HERE, "benchmarks.candidates.ours", files="**/dt=*/part-*.parquet", watch_lag=True
)
CANDIDATES = (
    OURS,
    Candidate("expert", HERE, "benchmarks.rivals.expert", files="orders.parquet"),
    Candidate(
        "dlt",
        ROOT / ".bench-venv/bin/python",
        "benchmarks.rivals.dlt_rest",
        files="lake/**/orders/*.parquet",
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"},
    ),
    Candidate(
        "airbyte",
        ROOT / ".bench-venv/bin/python",
        "benchmarks.rivals.airbyte",
        files="orders.parquet",
    ),
)


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
        return f"{self.pages:,} pages of {self.page_size:,} records, {self.latency_ms:g} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.http", description=__doc__)
    parser.add_argument("--only", help="names with commas between them: ours, expert, dlt, airbyte")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=1_000_000, help="in all, at each size")
    parser.add_argument("--page-sizes", type=_numbers(int), default=[1000])
    parser.add_argument("--latencies-ms", type=_numbers(float), default=[20.0])
    parser.add_argument("--memory", action="store_true", help="peak memory, 1,000 to 16,000 pages")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    if options.memory:
        result = memory(options.latencies_ms[0])
    else:
        names = options.only.split(",") if options.only else [each.name for each in CANDIDATES]
        chosen = [each for each in CANDIDATES if each.name in names]
        if not all(each.python.exists() for each in chosen):
            print("making the rivals' environment", file=sys.stderr)
            subprocess.run(["make", "--silent", ".bench-venv/.rivals"], cwd=ROOT, check=True)
        loads = [
            Load(-(-options.records // size), size, latency)
            for size in options.page_sizes
            for latency in options.latencies_ms
        ]
        result = {str(load): speed(chosen, options.rounds, load) for load in loads}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _numbers(kind: type[float]) -> Callable[[str], list[float]]:
    return lambda text: [kind(each) for each in text.split(",")]


def speed(candidates: list[Candidate], rounds: int, load: Load) -> dict[str, Any]:
    """All candidates in turn, `rounds` times. Prints a table; returns every figure."""
    measured = _measure(candidates, rounds, load)
    print(f"\n{load}, {rounds} rounds\n")
    print("| | rows/s | CPU-s per million rows | peak RSS, MiB |")
    print("|---|---|---|---|")
    for name, runs in measured.items():
        print(f"| {name} | {_rate(runs)} | {_cpu(runs)} | {_rss(runs)} |")
    first, *others = measured
    for other in others:
        pairs = list(zip(measured[first], measured[other], strict=True))
        faster = spread([a.per_second() / b.per_second() for a, b in pairs])
        leaner = spread([a.cpu_per(1e6) / b.cpu_per(1e6) for a, b in pairs])
        print(f"\n{first} to {other}: {faster} x rows/s, {leaner} of its CPU")
    for name, runs in measured.items():
        for run in runs:
            if run.lag_ms and run.idle_lag_ms:
                print(
                    f"\nloop lag of {name}, ms: {_lag(run.lag_ms)}; idle: {_lag(run.idle_lag_ms)}"
                )
    return {name: [asdict(run) for run in runs] for name, runs in measured.items()}


def memory(latency_ms: float) -> dict[str, Any]:
    """Our peak memory at 1,000 and 16,000 pages of 340 KB. Prints a table; returns every figure."""
    runs = {
        pages: _measure([OURS], 1, Load(pages, 1000, latency_ms))[OURS.name][0]
        for pages in (1000, 16_000)
    }
    print("\n| pages | rows/s | peak RSS, MiB |\n|---|---|---|")
    for pages, run in runs.items():
        print(f"| {pages:,} | {_rate([run])} | {_rss([run])} |")
    print(f"\nratio: {runs[16_000].peak_rss_bytes / runs[1000].peak_rss_bytes:.2f}")
    return {str(pages): asdict(run) for pages, run in runs.items()}


def _measure(candidates: list[Candidate], rounds: int, load: Load) -> dict[str, list[Measured]]:
    expected = expected_totals(load.records)

    def check(out: Path, pattern: str) -> int:
        found = landed_totals(out, pattern)
        assert found == expected, f"landed {found}, expected {expected}"
        return found[0]

    measured: dict[str, list[Measured]] = {each.name: [] for each in candidates}
    with NullApi.start(records=load.records, latency_ms=load.latency_ms) as api:
        arguments = [
            f"--url={api.url}", f"--token={BEARER_TOKEN}", f"--records={load.records}",
            f"--page-size={load.page_size}",
        ]  # fmt: skip
        for number in range(rounds):
            for candidate in candidates:
                out = Path(tempfile.mkdtemp(prefix=f"bench-{candidate.name}-"))
                try:
                    run = measure(
                        candidate,
                        [*arguments, f"--out={out}"],
                        partial(check, out, candidate.files),
                    )
                finally:
                    shutil.rmtree(out)
                measured[candidate.name].append(run)
                print(
                    f"round {number + 1} {candidate.name}: {run.per_second():,.0f} rows/s,"
                    f" {run.cpu_per(1e6):.1f} CPU-s per million",
                    file=sys.stderr,
                )
    return measured


def expected_totals(records: int) -> tuple[int, int, int]:
    """Rows, sum of ids and sum of amounts in cents, as the server holds them."""
    table = data.orders(records, SEED)
    cents = 0
    for start in range(0, records, BLOCK_ROWS):
        page = b"".join(table.array(start, start + BLOCK_ROWS))
        for amount in msgspec.json.decode(page, type=list[_Amount]):
            cents += round(amount.amount * 100)  # two decimals: a double is near enough
    return records, records * (records + 1) // 2, cents


class _Amount(msgspec.Struct):
    amount: float


def landed_totals(out: Path, pattern: str) -> tuple[int, int, int]:
    """The same of the Parquet files below `out`."""
    rows = ids = cents = 0
    for path in out.glob(pattern):
        table = pq.read_table(path, columns=["id", "amount"], partitioning=None)
        rows += len(table)
        numbers: list[Any] = table["id"].to_pylist()
        ids += sum(numbers)
        amounts: list[Any] = table["amount"].to_pylist()
        cents += sum(round(amount * 100) for amount in amounts)
    return rows, ids, cents


def _rate(runs: list[Measured]) -> Spread:
    return spread([run.per_second() for run in runs])


def _cpu(runs: list[Measured]) -> Spread:
    return spread([run.cpu_per(1e6) for run in runs])


def _rss(runs: list[Measured]) -> Spread:
    return spread([run.peak_rss_bytes / 1024**2 for run in runs])


def _lag(lag: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in lag.items())


if __name__ == "__main__":
    main()
