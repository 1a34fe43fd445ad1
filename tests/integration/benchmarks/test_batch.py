"""Small rounds of the batch's benchmarks: their checks hold, whatever the figures are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benching import bench

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_the_scheduler_is_measured_with_apis_in_trouble(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "batch_scheduler")
    assert found["runs"] == 8
    for rounds in found["rounds"].values():
        assert [each["committed"] for each in rounds] == [8]
        assert all(0 < each["watched_seconds"] <= each["seconds"] for each in rounds)
    [troubled] = found["rounds"]["troubled"]
    assert troubled["seconds"] > troubled["watched_seconds"] + 5  # the others were long done
    assert "The scheduler's own cost" in told


def test_the_memory_limit_is_held_while_more_runs_want_it_than_fit(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "batch_memory")
    assert list(found["kinds"]) == ["one file at a time", "25 folders"]
    for [run] in found["kinds"].values():
        assert run["grown_bytes"] <= 1.15 * run["limit_bytes"]
    assert "growth at the peak" in told
