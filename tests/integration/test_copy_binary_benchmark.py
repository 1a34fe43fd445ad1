"""A small round of the benchmark of COPY BINARY: both readers agree on every table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration


def test_the_decoder_is_measured_on_every_table(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--rounds", "2", "--rows", "6000", "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.copy_binary", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert list(found) == ["lineitem", "mixed", "numbers", "false starts"]
    for costs in found.values():
        assert len(costs["ours"]) == len(costs["loop"]) == 2
    assert min(found["lineitem"]["loop"]) > max(found["lineitem"]["ours"])
