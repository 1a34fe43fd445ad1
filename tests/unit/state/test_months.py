"""Prefixes of dates: all of a range is below them, and little else."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.state.months import month_prefixes

pytestmark = pytest.mark.unit


@given(since=st.dates(), days=st.integers(0, 150))
def test_every_date_of_the_range_begins_like_one_of_them(since: date, days: int) -> None:
    until = min(since.toordinal() + days, date.max.toordinal())
    prefixes = month_prefixes(since, date.fromordinal(until))
    for ordinal in range(since.toordinal(), until + 1):
        day = date.fromordinal(ordinal).isoformat()
        assert sum(day.startswith(prefix) for prefix in prefixes) == 1


def test_a_long_range_is_one_listing() -> None:
    assert month_prefixes(date(2024, 12, 31), date(2025, 2, 1)) == ("2024-12", "2025-01", "2025-02")
    assert month_prefixes(date(2024, 11, 30), date(2025, 2, 1)) == ("",)
    assert month_prefixes(date.min, date.max) == ("",)
    assert month_prefixes(date.min, date.min + timedelta(days=1)) == ("0001-01",)
