"""Many requests in flight to a slow API: how near the engine comes to the ideal rate.

    python -m benchmarks.concurrency             100 ms, 100 records a page, 200 and 1,000

The ideal of n in flight at a latency of t is n / t requests/s, less what the first page, read
alone, and the last round leave idle; beyond some 3,000 requests/s one process is at the end
of its CPU. Rows and sums are checked as in `benchmarks.http`, and the server says how many
requests it has really had in flight. "auto" is measured beside the numbers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.http import OURS, expected_totals, landed_totals
from benchmarks.null_api import NullApi
from benchmarks.runner import Measured, measure, spread
from bronze_engine.demo.api import BEARER_TOKEN

PAGE_SIZE = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.concurrency", description=__doc__)
    parser.add_argument("--in-flight", default="auto,200,1000")
    parser.add_argument("--latency-ms", type=float, default=100.0)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    levels = options.in_flight.split(",")
    result: dict[str, list[dict[str, Any]]] = {level: [] for level in levels}
    records = options.pages * PAGE_SIZE
    expected = expected_totals(records)
    runs: dict[str, list[tuple[Measured, int]]] = {level: [] for level in levels}
    with NullApi.start(records=records, latency_ms=options.latency_ms) as api:
        for number in range(options.rounds):
            for level in levels:
                run, seen = _run(api, level, records, expected)
                runs[level].append((run, seen))
                result[level].append({**asdict(run), "in_flight": seen})
                print(
                    f"round {number + 1}, {level}: {run.per_second(PAGE_SIZE):,.0f} requests/s,"
                    f" {seen} in flight, {run.cpu_per(PAGE_SIZE) * 1e6:.0f} us CPU each",
                    file=sys.stderr,
                )
    print(f"\n{options.pages:,} pages of {PAGE_SIZE} records, {options.latency_ms:g} ms\n")
    print("| in flight | most at once | requests/s | of the ideal | CPU, us a request |")
    print("|---|---|---|---|---|")
    for level, found in runs.items():
        rates = spread([run.per_second(PAGE_SIZE) for run, _ in found])
        cpu = spread([run.cpu_per(PAGE_SIZE) * 1e6 for run, _ in found])
        ideal = ""
        if level != "auto":
            most = int(level) / options.latency_ms * 1000
            ideal = str(spread([run.per_second(PAGE_SIZE) / most for run, _ in found]))
        print(f"| {level} | {max(seen for _, seen in found)} | {rates} | {ideal} | {cpu} |")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _run(
    api: NullApi, level: str, records: int, expected: tuple[int, int, int]
) -> tuple[Measured, int]:
    out = Path(tempfile.mkdtemp(prefix="bench-concurrency-"))

    def check() -> int:
        found = landed_totals(out, OURS.files)
        assert found == expected, f"landed {found}, expected {expected}"
        return found[0]

    try:
        api.peak()
        run = measure(
            replace(OURS, watch_lag=False),
            [
                f"--url={api.url}", f"--token={BEARER_TOKEN}", f"--records={records}",
                f"--page-size={PAGE_SIZE}", f"--out={out}", f"--in-flight={level}",
            ],
            check,
        )  # fmt: skip
    finally:
        shutil.rmtree(out)
    return run, api.peak()["in_flight"]


if __name__ == "__main__":
    main()
