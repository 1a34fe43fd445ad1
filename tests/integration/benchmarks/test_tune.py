"""A small version of the benchmark of `bronze tune`, so that it still works when it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.studies.tune import shares

from tests.benching import bench
from tests.measuring import measured


@pytest.mark.slow
@pytest.mark.integration
@measured
def test_what_is_proposed_is_measured_against_the_grid(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "tune", rounds=1)
    [(name, server)] = found["servers"].items()
    assert f"| {name} | latency |" in told
    assert server["is_right"]
    assert shares(server)[0] > 50  # of a machine that does something else meanwhile


@pytest.mark.unit
def test_shares_are_of_the_best_point_of_the_grid() -> None:
    rates = {"proposed": [90.0, 80.0], "50 x 2": [10.0, 10.0], "100 x 8": [100.0, 100.0]}
    assert shares({"rates": rates}) == [90.0, 80.0]
