"""A small round of the benchmark of quality rules: right results, with the rules and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration


def test_rules_are_measured_over_both_sources_and_beside_duckdb(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--rounds", "1", "--rows", "5000", "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.quality", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert list(found) == ["parquet", "json", "duckdb"]
    assert all(len(found[kind]["with"]) == 1 for kind in ("parquet", "json"))
