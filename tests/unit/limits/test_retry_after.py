"""How long a Retry-After asks to wait, in whatever way it says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.limits.transient import parse_retry_after
from tests.unit.limits.limited import NOW

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("1, 30", 30.0),
        ("Wed, 15 Jan 2025 12:00:07 GMT", 7.0),
        ("Wednesday, 15-Jan-25 12:00:07 GMT", 7.0),
        ("Wed Jan 15 12:00:07 2025", 7.0),
        ("Wed, 15 Jan 2025 14:00:07 +0200", 7.0),
        ("Wed, 15 Jan 2025 11:00:00 GMT", 0.0),
        ("2025-01-15T12:00:07Z", 7.0),
        ("2025-01-15T14:00:07+02:00", 7.0),
        (f"{NOW.timestamp() + 7:.0f}", 7.0),
        (f"{NOW.timestamp() * 1000 + 7500:.0f}", 7.5),
        (f"{NOW.timestamp() - 60:.0f}", 0.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_an_instant(text: str, seconds: float) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["Wed, 15 Jan 2025 14:00:07 GMT", f"{NOW.timestamp() + 7207:.0f}", "7"]
)
def test_the_instant_of_a_retry_after_is_by_the_clock_of_its_server(text: str) -> None:
    two_hours_ahead = "Wed, 15 Jan 2025 14:00:00 GMT"
    assert parse_retry_after(text, NOW, two_hours_ahead) == 7.0


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "-5", "1e9", "٣", "inf", "nan", "0x10", "Wed, 99 Jan 2025 12:00:07 GMT"],
)
def test_a_retry_after_that_makes_no_sense_is_none(text: str | None) -> None:
    assert parse_retry_after(text, NOW) is None


@given(text=st.text(max_size=40))
def test_no_retry_after_raises(text: str) -> None:
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= timedelta.max.total_seconds()
