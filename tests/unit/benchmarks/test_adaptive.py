"""The benchmark of auto says what it promises to say."""

from __future__ import annotations

import pytest
from benchmarks.studies.adaptive import row

pytestmark = pytest.mark.unit


def test_a_row_compares_runs_of_the_same_round() -> None:
    rounds = [
        {"auto": [90, 10], "4": [100, 0], "8": [50, 0]},
        {"auto": [99, 1], "4": [60, 0], "8": [110, 0]},
    ]
    assert row("x", rounds, 10.0) == [
        "x",
        "4 or 8",
        "10.50 (10.00 to 11.00)",
        "90.0 (90.0 to 90.0) %",
        "5.50 (1.00 to 10.00) %",
    ]
