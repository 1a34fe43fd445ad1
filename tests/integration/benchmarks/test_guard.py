"""A small round of the guard's benchmark: every kind of data is read by the fast path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benching import bench

pytestmark = pytest.mark.integration


def test_the_guard_is_measured_on_every_kind_of_data(tmp_path: Path) -> None:
    found = bench(tmp_path, "guard", rounds=2)[1]["kinds"]
    assert list(found) == ["orders", "readings", "negative", "texts", "worst"]
    for runs in found.values():
        assert len(runs["with"]) == len(runs["without"]) == 2
    assert sum(found["worst"]["with"]) > sum(found["worst"]["without"])
