"""Cursor values: how they compare, and what lies a distance below one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.model.window import cursor_key, earlier_cursor

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "by", "kind", "earlier"),
    [
        ("100", 30, "integer", "70"),
        (str(10**30), 1, "integer", str(10**30 - 1)),
        ("7", 10, "xid8", "-3"),
        ("2025-03-01", 86400, "date", "2025-02-28"),
        ("0001-01-02", 10 * 86400, "date", "0001-01-01"),
        ("2025-01-15T00:00:00Z", 7200, "timestamp", "2025-01-14T22:00:00+00:00"),
        ("2025-01-15 01:00:00.5+02:00", 3600, "timestamp", "2025-01-15T00:00:00.500000+02:00"),
        ("2025-01-15T00:00:00.1234569Z", 0.5, "timestamp", "2025-01-14T23:59:59.623456+00:00"),
        ("0001-01-02T00:00:00Z", 7200, "timestamp", "0001-01-02T00:00:00+00:00"),
        ("1969-12-31T23:59:59.9999999Z", 1, "timestamp", "1969-12-31T23:59:58.999999+00:00"),
    ],
)
def test_what_lies_a_distance_below(value: str, by: float, kind: Any, earlier: str) -> None:
    assert earlier_cursor(value, by, kind) == earlier


def test_a_naive_timestamp_goes_back_in_real_time_and_stays_naive() -> None:
    # The clocks of Berlin went from 02:00 to 03:00 on that day.
    found = earlier_cursor("2025-03-30T04:00:00", 7200, "timestamp", "Europe/Berlin")
    assert found == "2025-03-30T01:00:00"


def test_nothing_lies_a_distance_below_a_text() -> None:
    with pytest.raises(ValueError, match="nothing lies a distance below the text 'b'"):
        earlier_cursor("b", 1, "text")


@given(
    st.datetimes(datetime(2, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the zone is beside
    st.timedeltas(timedelta(0), timedelta(days=300)),
)
def test_an_earlier_timestamp_is_never_too_late(moment: datetime, by: timedelta) -> None:
    text = moment.isoformat()
    earlier = earlier_cursor(text, by.total_seconds(), "timestamp")
    low, high = cursor_key(earlier, "timestamp"), cursor_key(text, "timestamp")
    assert isinstance(low, Fraction)
    assert isinstance(high, Fraction)
    assert abs(float(high - low) - by.total_seconds()) < 1e-3
