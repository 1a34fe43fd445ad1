"""A small round of the benchmark of COPY BINARY: both readers agree on every table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benching import bench

pytestmark = pytest.mark.integration


def test_the_decoder_is_measured_on_every_table(tmp_path: Path) -> None:
    found = bench(tmp_path, "copy_binary", rounds=2)[1]["tables"]
    assert list(found) == ["lineitem", "mixed", "numbers", "false starts"]
    for costs in found.values():
        assert len(costs["ours"]) == len(costs["loop"]) == 2
    assert min(found["lineitem"]["loop"]) > max(found["lineitem"]["ours"])
