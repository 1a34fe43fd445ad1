"""A small version of the benchmark of databases: what it counts is checked, what it says is so."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.postgres import HERE, RIVALS
from benchmarks.postgres_landed import read_back
from benchmarks.postgres_page import speed, write
from benchmarks.postgres_tables import Table
from benchmarks.runner import ROOT, Candidate, Skipped, measure

pytestmark = pytest.mark.integration

TABLE = Table(
    "small",
    {"id": "integer", "amount": "decimal", "uid": "uuid", "note": "text"},
    lambda _server, _folder: None,
)
UIDS = ["00000001-1111-1111-1111-111111111111", "0000000a-1111-1111-1111-111111111111"]
HELD = {"": "2", "id": "2 3", "amount": "1 10.25", "uid": "2 11", "note": "2 7"}


def bench(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.postgres", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def small(**columns: Any) -> pa.Table:
    kept: dict[str, Any] = {
        "id": [1, 2],
        "amount": pa.array([Decimal("10.25"), None], pa.decimal128(18, 4)),
        "uid": UIDS,
        "note": ["a", "é\nb ".strip()],
    }
    return pa.table(kept | columns)


@pytest.mark.slow
def test_ours_is_run_checked_and_compared_with_the_limit(tmp_path: Path) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("# Title\n\n<!-- begin speed -->\n<!-- end speed -->\n\nThe end.\n")
    told = bench(
        "--only=ours,bronze-run,psql", "--rounds=2", "--scale=0", "--mixed-rows=20000",
        f"--json={figures}", f"--page={page}",
    )  # fmt: skip
    assert "of the limit's rows/s (0.9)" in told
    found = json.loads(figures.read_text())["tables"]["mixed_20000"]
    for outcome in found.values():
        assert [run["amount"] for run in outcome["runs"]] == [20_000, 20_000]
        assert all(0 < run["cpu_seconds"] < run["process_cpu_seconds"] for run in outcome["runs"])
    assert found["psql"]["landed"] is None
    for name in ("ours", "bronze-run"):
        landed = found[name]["landed"]
        assert (landed["changed"], landed["codec"]) == ([], "zstd")
        assert landed["types"]["amount"] == "DECIMAL(18,4)"
    assert told.strip() in page.read_text()
    assert page.read_text().endswith("<!-- end speed -->\n\nThe end.\n")
    chart = ET.parse(tmp_path / "page-postgres.svg")  # noqa: S314  # what we have just written
    texts = [element.text for element in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert "bronze-engine" in texts
    assert "The mixed table, 20,000 rows" in texts


@pytest.mark.slow
@pytest.mark.skipif(not RIVALS.exists(), reason="make .bench-venv/.rivals installs the rivals")
def test_rivals_land_every_row(tmp_path: Path) -> None:
    rivals = ["duckdb", "adbc", "connectorx", "dlt"]
    figures = tmp_path / "figures.json"
    bench(
        f"--only={','.join(rivals)}", "--rounds=1", "--scale=0", "--mixed-rows=2000",
        f"--json={figures}",
    )  # fmt: skip
    found = json.loads(figures.read_text())["tables"]["mixed_2000"]
    for name in rivals:
        assert [run["amount"] for run in found[name]["runs"]] == [2000], found[name]["skipped"]


def test_what_is_as_the_server_has_it_is_found_so_in_other_types(tmp_path: Path) -> None:
    table = small(note=["a", "é\nbcd"])
    cast = table.set_column(1, "amount", table["amount"].cast(pa.string()))
    for number, each in enumerate([table, cast]):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(each, file, compression="zstd")
        landed = read_back(TABLE, HELD, [file])
        assert (landed.rows, landed.changed, landed.codec, landed.files) == (2, [], "zstd", 1)
        assert landed.types["amount"] == ["DECIMAL(18,4)", "VARCHAR"][number]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", pa.array([Decimal("10.26"), None], pa.decimal128(18, 4))),
        ("amount", pa.array([Decimal("10.25"), Decimal(0)], pa.decimal128(18, 4))),
        ("uid", ["[0 0 0 1 17 17]", UIDS[1]]),
        ("note", ["a", "é\nbc"]),
    ],
)
def test_a_changed_value_is_seen(tmp_path: Path, column: str, values: Any) -> None:
    columns = {"note": ["a", "é\nbcd"], column: values}
    pq.write_table(small(**columns), tmp_path / "a.parquet")
    assert read_back(TABLE, HELD, [tmp_path / "a.parquet"]).changed == [column]


def test_a_lost_row_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    for wrong in (small().slice(1), small(id=[1, 3]), small().drop_columns(["uid"])):
        pq.write_table(wrong, file)
        with pytest.raises(AssertionError):
            read_back(TABLE, HELD, [file])
    with pytest.raises(AssertionError, match="nothing landed"):
        read_back(TABLE, HELD, [])


def test_a_rival_without_its_program_says_why_it_can_not_run() -> None:
    sling = Candidate("sling", HERE, "benchmarks.rivals.sling_program")
    with pytest.raises(Skipped, match="no wheel with its program"):
        measure(sling, [], lambda: 0)
    told = speed(result(ours=[(1.0, 1.0)]) | skipped("sling", "no wheel"))
    assert "| skipped: no wheel |" in told


def test_verdicts_compare_runs_of_the_same_round() -> None:
    told = speed(result(ours=[(1.0, 1.0), (1.0, 1.0)], psql=[(0.8, 0.1), (0.9, 0.1)]))
    assert "- **not met**: 0.85 (0.80 to 0.90) of the limit's rows/s (0.9)" in told
    told = speed(result(ours=[(1.0, 1.0)], duckdb=[(1.5, 0.5)], adbc=[(2.0, 4.0)]))
    assert "- met: 2.00 (2.00 to 2.00) of adbc's rows/s (1.3)" in told
    assert "- met: 1.50 (1.50 to 1.50) of the fastest rival's, duckdb" in told
    assert "- **not met**: 2.00 (2.00 to 2.00) of the leanest rival's CPU, duckdb" in told


def test_who_read_the_beginning_alone_is_named_so() -> None:
    figures = result(ours=[(1.0, 1.0)], sling=[(4.0, 4.0)])
    figures["tables"]["mixed_10"]["sling"]["runs"][0]["amount"] = 5
    told = speed(figures)
    assert "The mixed table, 10 rows" in told
    assert "| Sling , first 5 rows | 1.25 (1.25 to 1.25) | 8.00 (8.00 to 8.00) |" in told


def test_a_page_without_marks_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Title\n")
    with pytest.raises(SystemExit, match="<!-- begin speed -->"):
        write(result(ours=[(1.0, 1.0)]), tmp_path / "page.md", is_memory=False)


def result(**runs: list[tuple[float, float]]) -> dict[str, Any]:
    """As the benchmark gives it: of each candidate seconds and CPU seconds, a round each."""
    return {
        "command": "python -m benchmarks.postgres",
        "versions": {"bronze-engine": "1", "PostgreSQL": "18", "Python": "3", "machine": "a box"},
        "tables": {
            "mixed_10": {
                name: {
                    "runs": [
                        {"amount": 10, "seconds": s, "cpu_seconds": cpu, "peak_rss_bytes": 2**20}
                        for s, cpu in each
                    ],
                    "landed": None,
                    "skipped": "",
                }
                for name, each in runs.items()
            }
        },
    }


def skipped(name: str, reason: str) -> dict[str, Any]:
    """The tables of `result` for one that ran and one that could not."""
    tables = result(ours=[(1.0, 1.0)])["tables"]
    tables["mixed_10"][name] = {"runs": [], "landed": None, "skipped": reason}
    return {"tables": tables}
