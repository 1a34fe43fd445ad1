"""A small round of the benchmark of quality rules: right results, with the rules and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benching import bench

pytestmark = pytest.mark.integration


def test_rules_are_measured_over_both_sources_and_beside_duckdb(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "quality")
    assert list(found["kinds"]) == ["parquet", "json"]
    assert all(len(costs["with"]) == 1 for costs in found["kinds"].values())
    assert "DuckDB, the ten checks alone" in told
