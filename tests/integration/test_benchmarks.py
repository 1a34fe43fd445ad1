"""A small version of the benchmark, so that it still works on the day when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.http import expected_totals, landed_totals
from benchmarks.runner import ROOT, spread

pytestmark = pytest.mark.integration


def test_a_rival_is_run_checked_and_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.http", "--only", "expert", "--rounds", "2",
            "--records", "3000", "--json", str(figures),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| expert |" in done.stdout
    runs = json.loads(figures.read_text())["3 pages of 1,000 records, 20 ms"]["expert"]
    assert [run["amount"] for run in runs] == [3000, 3000]
    for run in runs:
        assert 0 < run["cpu_seconds"] < run["process_cpu_seconds"]
        assert run["seconds"] > 0
        assert run["peak_rss_bytes"] > 30 * 1024**2


def test_a_lost_row_and_a_changed_cent_are_seen(tmp_path: Path) -> None:
    rows, ids, cents = expected_totals(1000)
    assert (rows, ids) == (1000, 500_500)
    assert cents > 0
    table = pa.table({"id": [1, 2], "amount": [10.25, 0.1]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert landed_totals(tmp_path, "*.parquet") == (2, 3, 1035)
    pq.write_table(table.slice(1), tmp_path / "b.parquet")
    assert landed_totals(tmp_path, "*.parquet") == (3, 5, 1045)


def test_a_spread_is_lowest_median_and_highest() -> None:
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 (1.00 to 3.00)"
    assert str(spread([52_000.0, 40_000.4])) == "46,000 (40,000 to 52,000)"
