"""The benchmark of auto runs, and says what it promises to say."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from benchmarks.adaptive import row
from benchmarks.runner import ROOT

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_it_measures_auto_against_the_best_fixed_number() -> None:
    command = [sys.executable, "-m", "benchmarks.adaptive", "--seconds", "3", "--rounds", "1"]
    told = subprocess.run(
        [*command, "--fixed", "2,4", "--only", "10 at once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told[0].startswith("| hidden limit | best fixed |")
    assert re.fullmatch(r"\| 10 at once \| 4 \|( [\d.]+ \([\d.]+ to [\d.]+\)( %)? \|){3}", told[2])


def test_a_row_compares_runs_of_the_same_round() -> None:
    rounds = [
        {"auto": (90, 10), "4": (100, 0), "8": (50, 0)},
        {"auto": (99, 1), "4": (60, 0), "8": (110, 0)},
    ]
    assert row("x", rounds, [4, 8], 10.0) == (
        "| x | 4 or 8 | 10.50 (10.00 to 11.00) | 90.0 (90.0 to 90.0) % | 5.50 (1.00 to 10.00) % |"
    )
