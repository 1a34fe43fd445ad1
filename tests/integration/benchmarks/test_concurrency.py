"""Small rounds of the benchmarks of requests in flight: what they count is what was configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benching import bench
from tests.measuring import measured

pytestmark = pytest.mark.integration


def test_the_server_sees_as_many_at_once_as_configured(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "concurrency")
    [case] = found["cases"].values()
    auto, fixed = (case["outcomes"][name] for name in ("auto", "40"))
    assert fixed["landed"]["types"]["in_flight"] == "40"
    assert 4 < int(auto["landed"]["types"]["in_flight"]) <= 200
    assert fixed["runs"][0]["amount"] == auto["runs"][0]["amount"] == 40_000
    assert "| 40 | 40 |" in told


@pytest.mark.slow
@measured
def test_a_hidden_limit_refuses_what_goes_beyond_it(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "adaptive")
    [runs] = found["limits"]["10 at once"]
    assert list(runs) == ["auto", "5", "10", "40"]
    assert runs["5"][1] == runs["10"][1] == 0
    assert runs["40"][1] > 0
    assert runs["10"][0] > 1.5 * runs["5"][0]
    assert runs["auto"][0] > runs["5"][0]
    assert "| hidden limit | best fixed |" in told
