"""Small rounds of the benchmarks of requests in flight: what they count is what was configured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration


def test_the_server_sees_as_many_at_once_as_configured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--in-flight", "auto,40", "--pages", "400", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.concurrency", *arguments, "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert list(found) == ["auto", "40"]
    [auto], [fixed] = found.values()
    assert fixed["in_flight"] == 40
    assert 4 < auto["in_flight"] <= 200
    assert fixed["amount"] == auto["amount"] == 40_000


@pytest.mark.slow
def test_a_hidden_limit_refuses_what_goes_beyond_it(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--only", "10 at once", "--fixed", "5,10,40", "--seconds", "3", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.adaptive", *arguments, "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [runs] = json.loads(figures.read_text())["10 at once"]
    assert list(runs) == ["auto", "5", "10", "40"]
    assert runs["5"][1] == runs["10"][1] == 0
    assert runs["40"][1] > 0
    assert runs["10"][0] > 1.5 * runs["5"][0]
    assert runs["auto"][0] > runs["5"][0]
