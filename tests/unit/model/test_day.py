"""The day of a run date, as the first value of it and the first of the next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.model.day import covers, day_bounds, settled_until
from bronze_engine.model.window import cursor_key

pytestmark = pytest.mark.unit

ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo")


@pytest.mark.parametrize(
    ("day", "zone", "naive", "low", "high"),
    [
        ("2025-01-15", "UTC", None, "2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z"),
        ("2025-01-15", "Europe/Berlin", None, "2025-01-14T23:00:00Z", "2025-01-15T23:00:00Z"),
        # The clocks change: 23 hours, and 25.
        ("2025-03-30", "Europe/Berlin", None, "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
        ("2025-10-26", "Europe/Berlin", None, "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
        ("2025-01-15", "UTC", "Europe/Berlin", "2025-01-15T01:00:00", "2025-01-16T01:00:00"),
        # Midnight is skipped in Cairo, and comes twice in Havana.
        ("2025-04-25", "Africa/Cairo", None, "2025-04-24T22:00:00Z", "2025-04-25T21:00:00Z"),
        ("2025-11-02", "America/Havana", None, "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"),
        # A day that Samoa never had.
        ("2011-12-30", "Pacific/Apia", None, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
    ],
)
def test_a_day_of_timestamps(day: str, zone: str, naive: str | None, low: str, high: str) -> None:
    found = day_bounds(date.fromisoformat(day), "timestamp", zone, naive)
    assert found == (low, high)


def test_a_day_of_dates_is_itself_in_every_zone() -> None:
    found = day_bounds(date(2024, 2, 28), "date", "Asia/Tokyo")
    assert found == ("2024-02-28", "2024-02-29")


@pytest.mark.parametrize("kind", ["integer", "text", "xid8"])
def test_other_cursors_have_no_days(kind: Any) -> None:
    with pytest.raises(ValueError, match="has no days"):
        day_bounds(date(2024, 2, 28), kind, "UTC")


@pytest.mark.parametrize(("day", "zone"), [(date.max, "UTC"), (date.min, "Asia/Tokyo")])
def test_a_day_at_the_end_of_the_calendar_is_refused(day: date, zone: str) -> None:
    with pytest.raises(ValueError, match="of the calendar"):
        day_bounds(day, "timestamp", zone)


@given(
    day=st.dates(date(1975, 1, 1), date(2037, 1, 1)),
    zone=st.sampled_from(ZONES),
    naive=st.sampled_from((None, *ZONES)),
)
def test_each_day_begins_where_the_one_before_ends(day: date, zone: str, naive: str | None) -> None:
    first = day_bounds(day, "timestamp", zone, naive)
    second = day_bounds(day + timedelta(days=1), "timestamp", zone, naive)
    assert first[1] == second[0]
    low, high = (cursor_key(text, "timestamp", naive) for text in first)
    assert low <= high  # type: ignore[operator]  # both are instants


def test_what_lies_before_an_instant() -> None:
    noon = datetime(2025, 1, 15, 12, tzinfo=UTC)
    assert settled_until(noon, "timestamp") == "2025-01-15T11:59:59.999999Z"
    assert settled_until(noon, "timestamp", "Europe/Berlin") == "2025-01-15T12:59:59.999999"
    assert settled_until(noon, "integer") is None


@pytest.mark.parametrize(
    ("hour", "last"), [(11, "2025-01-13"), (12, "2025-01-14"), (23, "2025-01-14")]
)
def test_a_date_is_over_when_it_is_nowhere_that_day(hour: int, last: str) -> None:
    instant = datetime(2025, 1, 15, hour, tzinfo=ZoneInfo("UTC"))
    assert settled_until(instant, "date") == last
    assert settled_until(instant, "date", "UTC") == "2025-01-14"


@pytest.mark.parametrize(
    ("reached", "end", "kind", "expected"),
    [
        ("2025-01-15T23:59:59.999999Z", "2025-01-16T00:00:00Z", "timestamp", True),
        ("2025-01-15T23:59:59.999998Z", "2025-01-16T00:00:00Z", "timestamp", False),
        ("2025-01-16T00:00:00+00:00", "2025-01-16T00:00:00Z", "timestamp", True),
        ("2025-01-15", "2025-01-16", "date", True),
        ("2025-01-14", "2025-01-16", "date", False),
    ],
)
def test_whether_a_day_was_read_to_its_end(
    reached: str, end: str, kind: Any, expected: bool
) -> None:
    assert covers(reached, end, kind) is expected
