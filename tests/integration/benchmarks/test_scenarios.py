"""A small version of each scenario, so that it still works on the day when it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.data.orders import check_orders, expected_totals, landed_totals
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.measure import ROOT, Candidate, Skipped, measure

from tests.benching import bench

pytestmark = pytest.mark.integration

needs_rivals = pytest.mark.skipif(
    not RIVALS.exists(), reason="make .bench-venv/.rivals installs the rivals"
)


def test_a_rival_is_run_checked_and_measured(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "http", "--only=expert", rounds=2)
    assert "| a script of aiohttp, orjson and pyarrow |" in told
    [case] = found["cases"].values()
    assert case["title"] == "3 pages of 1,000 records, 20 ms a request"
    runs = case["outcomes"]["expert"]["runs"]
    assert [run["amount"] for run in runs] == [3000, 3000]
    for run in runs:
        assert 0 < run["cpu_seconds"] < run["process_cpu_seconds"]
        assert run["seconds"] > 0
        assert run["peak_rss_bytes"] > 30 * 1024**2


def test_a_lost_row_and_a_changed_cent_are_seen(tmp_path: Path) -> None:
    expected = expected_totals(1000)
    assert expected[:2] == (1000, 500_500)
    assert expected.cents > 0
    table = pa.table({"id": [1, 2], "amount": [10.25, 0.1]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert landed_totals([tmp_path / "a.parquet"]) == (2, 3, 1035)
    pq.write_table(table.slice(1), tmp_path / "b.parquet")
    files = sorted(tmp_path.glob("*.parquet"))
    assert landed_totals(files) == (3, 5, 1045)
    with pytest.raises(AssertionError, match="expected"):
        check_orders(expected, files)


@pytest.mark.slow
def test_a_batch_of_streams_and_one_of_tables_land_apart(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "batch", "--only=ours,bronze-batch,expert")
    streams, tables = found["cases"].values()
    for name in ("ours", "bronze-batch", "expert"):
        assert [run["amount"] for run in streams["outcomes"][name]["runs"]] == [4]
    assert [run["amount"] for run in tables["outcomes"]["ours"]["runs"]] == [3]
    assert "of the fastest rival's pipelines/s, expert" in told


@pytest.mark.slow
def test_what_lands_in_s3_is_read_back(tmp_path: Path) -> None:
    _, found = bench(tmp_path, "end_to_end", "--only=ours,bronze-run,expert")
    api, table = found["cases"].values()
    for name in ("ours", "bronze-run", "expert"):
        [run] = api["outcomes"][name]["runs"]
        assert run["amount"] == 3000
    for name in ("ours", "bronze-run"):
        landed = table["outcomes"][name]["landed"]
        assert (landed["amount"], landed["changed"], landed["codec"]) == (2000, [], "zstd")


@pytest.mark.slow
def test_memory_is_told_small_to_large(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "memory")
    assert len(found["cases"]) == 8
    amounts = [case["outcomes"]["ours"]["runs"][0]["amount"] for case in found["cases"].values()]
    assert [large / small for small, large in zip(amounts[::2], amounts[1::2], strict=True)] == [
        2
    ] * 4
    assert told.count("MiB/s") == 2


@pytest.mark.slow
@needs_rivals
def test_rivals_of_a_batch_land_every_row(tmp_path: Path) -> None:
    rivals = "adbc,duckdb,sling,ingestr"
    _, found = bench(tmp_path, "batch", f"--only={rivals}")
    [tables] = found["cases"].values()
    for name in rivals.split(","):
        outcome = tables["outcomes"][name]
        assert [run["amount"] for run in outcome["runs"]] == [3], (name, outcome["skipped"])


def test_without_the_development_environment_it_says_what_makes_it() -> None:
    code = (
        "import runpy, sys; from importlib import util; find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'psutil' else find(name)\n"
        "sys.argv[1:] = ['--help']\n"
        "runpy.run_module('benchmarks', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "benchmarks need the development environment; `make env` makes it\n"


def test_a_rival_without_its_program_says_why_it_can_not_run() -> None:
    sling = Candidate("sling", "Sling", "framework", HERE, "benchmarks.rivals.sling_program")
    with pytest.raises(Skipped, match="no wheel with its program"):
        measure(sling, {}, lambda: 0)


def test_a_candidate_that_fails_says_why() -> None:
    broken = Candidate("broken", "broken", "script", HERE, "benchmarks.rivals.no_such_rival")
    with pytest.raises(RuntimeError, match=r"broken ended with 1: .*No module named"):
        measure(broken, {}, lambda: 0)
