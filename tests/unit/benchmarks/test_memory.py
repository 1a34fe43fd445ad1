"""Memory is told in pairs: the large amount of work to the small."""

from __future__ import annotations

import pytest
from benchmarks.scenarios.memory import tell

from tests.benching import case, figures, outcome

pytestmark = pytest.mark.unit


def test_the_large_is_compared_with_the_small_before_it() -> None:
    small, large = outcome((1.0, 1.0), kind="ours"), outcome((8.0, 8.0), kind="ours")
    large["runs"][0]["peak_rss_bytes"] = 2**20 * 11 // 10
    told = tell(figures(case({"ours": small}), case({"ours": large}, title="Many rows")))
    assert "| Ten rows | 10 rows/s | 1 | |" in told
    assert "| Many rows | 1 rows/s | 1 | 1.10 |" in told
