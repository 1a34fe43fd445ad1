"""A small version of the benchmark of files: what it counts is checked, what it says is so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from benchmarks.file_data import FORMATS, make_file
from benchmarks.file_landed import expected_facts, read_back
from benchmarks.file_page import memory, speed, write
from benchmarks.files import CANDIDATES, RIVALS
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration

ROWS = 3000


def bench(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.files", f"--rows={ROWS}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_ours_lands_every_format_and_is_checked(tmp_path: Path) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("# Title\n<!-- begin files -->\n<!-- end files -->\nThe end.\n")
    told = bench("--only=ours", "--rounds=1", f"--json={figures}", f"--page={page}")
    found = json.loads(figures.read_text())["files"]
    assert list(found) == [f"{form} {ROWS}" for form in FORMATS]
    for outcomes in found.values():
        [run] = outcomes["ours"]["runs"]
        assert run["amount"] == ROWS
        landed = outcomes["ours"]["landed"]
        assert (landed["changed"], landed["codec"]) == ([], "zstd")
        assert landed["types"]["amount"] == "DECIMAL(12,2)"
        assert landed["types"]["changed_at"] == "TIMESTAMP"
    assert told.strip() in page.read_text()
    assert page.read_text().endswith("<!-- end files -->\nThe end.\n")


@pytest.mark.slow
@pytest.mark.skipif(not RIVALS.exists(), reason="make .bench-venv/.rivals installs the rivals")
def test_rivals_land_every_row(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    bench("--only=pyarrow,duckdb,python", "--rounds=1", f"--json={figures}")
    for name, outcomes in json.loads(figures.read_text())["files"].items():
        for rival, outcome in outcomes.items():
            assert [run["amount"] for run in outcome["runs"]] == [ROWS], (name, rival, outcome)
            assert outcome["landed"]["changed"] == [], (name, rival)


def test_lost_rows_and_changed_values_are_seen(tmp_path: Path) -> None:
    file = make_file(tmp_path, "parquet", ROWS)
    facts = expected_facts(ROWS)
    assert read_back(ROWS, facts, [file]).changed == []
    for change, seen in (
        ("* REPLACE (amount + CASE id WHEN 7 THEN 0.01 ELSE 0 END AS amount)", ["amount"]),
        ("* REPLACE (coalesce(note, '') AS note)", ["note"]),
        ("* REPLACE (ltrim(account, '0') AS account)", ["account"]),
    ):
        copy = tmp_path / "changed.parquet"
        duckdb.execute(f"COPY (SELECT {change} FROM '{file}') TO '{copy}' (FORMAT parquet)")  # noqa: S608
        assert read_back(ROWS, facts, [copy]).changed == seen
    duckdb.execute(f"COPY (FROM '{file}' WHERE id <> 9) TO '{copy}' (FORMAT parquet)")
    with pytest.raises(AssertionError, match="landed 2999 rows of 3000"):
        read_back(ROWS, facts, [copy])
    with pytest.raises(AssertionError, match="nothing landed"):
        read_back(ROWS, facts, [])


def test_verdicts_compare_runs_of_the_same_round() -> None:
    told = speed(result(ours=[(1.0, 1.0), (1.0, 1.0)], pyarrow=[(0.7, 1.0), (0.8, 1.0)]))
    assert "- **not met**: 0.75 (0.70 to 0.80) of pyarrow's rows/s (0.8)" in told
    told = speed(result(ours=[(1.0, 1.0)], dlt=[(2.0, 4.0)]))
    assert "- met: 2.00 (2.00 to 2.00) of dlt's rows/s (1.0)" in told
    assert "| 2.00 (2.00 to 2.00) | 400,000 (400,000 to 400,000) | 0.25 (0.25 to 0.25) |" in told
    skipped = result(ours=[(1.0, 1.0)])
    skipped["files"]["csv 10"]["sling"] = {"runs": [], "landed": None, "skipped": "no wheel"}
    assert "| skipped: no wheel |" in speed(skipped)


def test_memory_is_the_large_file_to_the_small() -> None:
    figures = result(ours=[(1.0, 1.0)])
    large = result(ours=[(8.0, 8.0)])["files"]["csv 10"]
    large["ours"]["runs"][0]["peak_rss_bytes"] = 2**20 * 11 // 10
    figures["files"]["csv 80"] = large
    assert memory(figures).endswith("Ratio: 1.10.")


def test_a_page_without_marks_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Title\n")
    with pytest.raises(SystemExit, match="<!-- begin files -->"):
        write(result(ours=[(1.0, 1.0)]), tmp_path / "page.md", is_memory=False)


def test_every_candidate_has_a_name_on_the_page() -> None:
    figures = result(ours=[(1.0, 1.0)])
    for form, several in CANDIDATES.items():
        names = {each.name: [(1.0, 1.0)] for each in several}
        figures["files"][f"{form} 10"] = result(**names)["files"]["csv 10"]
    assert "a loop in Python" in speed(figures)


def result(**runs: list[tuple[float, float]]) -> dict[str, Any]:
    """As the benchmark gives it: of each candidate seconds and CPU seconds, a round each."""
    landed = {"size_bytes": 2**20, "codec": "zstd", "changed": []}
    return {
        "command": "python -m benchmarks.files",
        "versions": {"bronze-engine": "1", "Python": "3", "machine": "a box"},
        "files": {
            "csv 10": {
                name: {
                    "runs": [
                        {"amount": 10, "seconds": s, "cpu_seconds": cpu, "peak_rss_bytes": 2**20}
                        for s, cpu in each
                    ],
                    "landed": landed,
                    "skipped": "",
                }
                for name, each in runs.items()
            }
        },
    }
