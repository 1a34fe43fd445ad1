"""A small round of the guard's benchmark: every kind of data is read by the fast path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration


def test_the_guard_is_measured_on_every_kind_of_data(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--rounds", "2", "--records", "6000", "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.guard", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert list(found) == ["orders", "readings", "negative", "texts", "worst"]
    for runs in found.values():
        assert len(runs["with"]) == len(runs["without"]) == 2
    assert sum(found["worst"]["with"]) > sum(found["worst"]["without"])
