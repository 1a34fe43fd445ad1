"""Warnings of a run: for the report, and for the log."""

from __future__ import annotations

import pytest

from bronze_engine.telemetry.metrics import SourceTally

pytestmark = pytest.mark.unit


def test_a_warning_is_told_once_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    tally = SourceTally("shop.orders 2025-01-15")
    for message in ("a file has changed", "a file has changed", "row-level security"):
        tally.warn(message)
    assert tally.warnings == ["a file has changed", "row-level security"]
    assert caplog.messages == [
        "shop.orders 2025-01-15: a file has changed",
        "shop.orders 2025-01-15: row-level security",
    ]


def test_what_an_earlier_attempt_told_is_kept_and_not_told_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tally = SourceTally("shop.orders 2025-01-15")
    tally.recall(["a file has changed"])
    tally.warn("a file has changed")
    assert tally.warnings == ["a file has changed"]
    assert caplog.messages == []


def test_a_plan_tells_its_warnings_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    tally = SourceTally()
    tally.warn("a file has changed")
    assert tally.warnings == ["a file has changed"]
    assert caplog.messages == []
