"""What a page says of a comparison is what was measured, round by round."""

from __future__ import annotations

import pytest
from benchmarks.harness.losses import losses, tell_losses
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table, tell_comparison, tell_overhead

from tests.benching import case, figures, outcome

pytestmark = pytest.mark.unit

LANDED = {"size_bytes": 3 * 2**20, "codec": "zstd", "changed": ["note"], "types": {}}


def test_a_spread_is_lowest_median_and_highest() -> None:
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 (1.00 to 3.00)"
    assert str(spread([52_000.0, 40_000.4])) == "46,000 (40,000 to 52,000)"


def test_ratios_compare_runs_of_the_same_round() -> None:
    ours = outcome((1.0, 1.0), (2.0, 1.0), kind="ours")
    told = tell_comparison(figures(case({"ours": ours, "other": outcome((2.0, 4.0), (2.0, 2.0))})))
    assert (
        "| 1.5 of somebody | 5.00 (5.00 to 5.00) | 1.50 (1.00 to 2.00) |"
        " 300,000 (200,000 to 400,000) | 0.38 (0.25 to 0.50) | 1.00 (1.00 to 1.00) |"
    ) in told


def test_a_slow_rival_is_compared_over_the_rounds_that_it_ran() -> None:
    ours = outcome((1.0, 1.0), (4.0, 1.0), kind="ours")
    told = tell_comparison(figures(case({"ours": ours, "other": outcome((30.0, 4.0))})))
    assert "| 30.0 (30.0 to 30.0) |" in told


def test_who_could_not_run_says_why() -> None:
    absent = outcome(skipped="no wheel")
    told = tell_comparison(figures(case({"ours": outcome((1, 1), kind="ours"), "other": absent})))
    assert "| 1.5 of somebody | skipped: no wheel | | | | |" in told


def test_what_is_asked_is_met_or_not() -> None:
    outcomes = {
        "ours": outcome((1.0, 1.0), kind="ours"),
        "limit": outcome((0.8, 0.1), kind="limit"),
        "slow": outcome((1.5, 0.5)),
        "slower": outcome((2.0, 4.0)),
    }
    asked = {"limit": 0.9, "slower": 1.3, "absent": 2.0}
    told = tell_comparison(figures(case(outcomes, asked=asked, asked_mib=300)))
    assert "- **not met**: 0.80 (0.80 to 0.80) of limit's rows/s (asked: 0.9)" in told
    assert "- met: 2.00 (2.00 to 2.00) of slower's rows/s (asked: 1.3)" in told
    assert "- met: 1.50 (1.50 to 1.50) of the fastest rival's rows/s, slow" in told
    assert "- **not met**: 2.00 (2.00 to 2.00) of the leanest rival's CPU, slow" in told
    assert "- met: peak RSS 1 MiB (asked: 300)" in told
    assert "absent" not in told


def test_files_and_changed_values_are_told_where_there_are_any() -> None:
    ours = outcome((1, 1), kind="ours", landed={**LANDED, "changed": []})
    other = outcome((1, 1), landed=LANDED)
    told = tell_comparison(figures(case({"ours": ours, "other": other})))
    assert "| 3 (zstd) |" in told
    assert "Values changed in: 1.5 of somebody: `note`." in told
    assert "Nobody changed a value." in tell_comparison(figures(case({"ours": ours})))
    unseen = outcome((1, 1), kind="ours", landed={**LANDED, "changed": None})
    assert "changed" not in tell_comparison(figures(case({"ours": unseen})))


def test_who_read_the_beginning_alone_is_named_so() -> None:
    other = outcome((4.0, 4.0))
    other["runs"][0]["amount"] = 5
    told = tell_comparison(figures(case({"ours": outcome((1, 1), kind="ours"), "other": other})))
    assert "| 1.5 of somebody, first 5 | 1.25 (1.25 to 1.25) | 8.00 (8.00 to 8.00) |" in told


def test_how_late_a_loop_was_is_told_beside_an_idle_one() -> None:
    ours = outcome((1, 1), (1, 1), kind="ours")
    for run, late in zip(ours["runs"], (2.0, 3.0), strict=True):
        run.update(lag_ms={"p99": late}, idle_lag_ms={"p99": late / 2})
    told = tell_comparison(figures(case({"ours": ours})))
    assert "in the worst round: 3.0 ms; of an idle loop beside it: 1.5 ms." in told


def test_a_table_fills_short_rows_up() -> None:
    assert table(["", "b"], [["a"]]) == "| | b |\n|---|---|\n| a | |"


def test_overhead_is_of_the_same_round() -> None:
    told = tell_overhead({"kinds": {"json": {"without": [1.0, 2.0], "with": [1.5, 2.2]}}})
    assert "| json | 1.50 (1.00 to 2.00) | 1.85 (1.50 to 2.20) | 30.0 (10.0 to 50.0) |" in told


def test_losses_are_every_rival_that_was_faster_or_leaner() -> None:
    outcomes = {
        "ours": outcome((1.0, 1.0), kind="ours"),
        "faster": outcome((0.5, 2.0), label="faster"),
        "leaner": outcome((2.0, 0.5), label="leaner"),
        "behind": outcome((2.0, 2.0), label="behind"),
        "limit": outcome((0.1, 0.1), kind="limit", label="limit"),
    }
    measured = {"http": figures(case(outcomes)), "guard": {"versions": {}}}
    assert [loss.rival for loss in losses(measured)] == ["faster", "leaner"]
    told = tell_losses(measured)
    assert "| Ten rows | faster | **0.50 (0.50 to 0.50)** | 0.50 (0.50 to 0.50) |" in told
    assert "| Ten rows | leaner | 2.00 (2.00 to 2.00) | **2.00 (2.00 to 2.00)** |" in told
    del outcomes["faster"], outcomes["leaner"]
    assert tell_losses({"http": figures(case(outcomes))}) == "No rival was faster or leaner."
