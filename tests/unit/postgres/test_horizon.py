"""How far a cursor may be read: what is certainly below everything that may yet come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError
from bronze_engine.model.window import CursorType, cursor_key
from bronze_engine.sources.postgres.cursor import Cursor
from bronze_engine.sources.postgres.horizon import Unsettled, last_before, look, settle
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit

NOW = datetime(2025, 1, 15, 12, 0, 0, 5, tzinfo=UTC)


def cursor(type_name: str, zone: str | None = None) -> Cursor:
    kind: CursorType = "date" if type_name == "date" else "timestamp"
    return Cursor(name="c", kind=kind, type_name=type_name, timezone=zone)


@pytest.mark.parametrize(
    ("type_name", "zone", "last"),
    [
        ("timestamptz", None, "2025-01-15T12:00:00.000004+00:00"),
        ("timestamptz", "Asia/Tokyo", "2025-01-15T12:00:00.000004+00:00"),
        ("timestamp", "UTC", "2025-01-15T12:00:00.000004"),
        ("timestamp", "Asia/Tokyo", "2025-01-15T21:00:00.000004"),
        ("date", "UTC", "2025-01-14"),
        ("date", "Pacific/Auckland", "2025-01-15"),
        # Somewhere the day before is not over at noon less a little.
        ("date", None, "2025-01-14"),
    ],
)
def test_the_last_value_is_below_the_instant(type_name: str, zone: str | None, last: str) -> None:
    assert last_before(NOW, cursor(type_name, zone)) == last


def test_a_day_ends_last_at_twelve_hours_behind() -> None:
    before = datetime(2025, 1, 15, 11, 59, tzinfo=UTC)
    assert last_before(before, cursor("date")) == "2025-01-13"


@given(
    seconds=st.integers(0, 366 * 86400),
    later=st.integers(0, 3 * 3600),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_no_wall_clock_that_comes_later_is_below(seconds: int, later: int, zone: str) -> None:
    """Where clocks are put back an hour comes again."""
    before = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    given_later = (before + timedelta(seconds=later)).astimezone(ZoneInfo(zone))
    last = datetime.fromisoformat(last_before(before, cursor("timestamp", zone)))
    assert given_later.replace(tzinfo=None) > last
    cursor_key(last.isoformat(), "timestamp", zone)


class Session:
    """Answers with what it was told, one after another."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    async def fetchrow(self, _sql: str, *_arguments: object) -> Any:
        return self._answers.pop(0)

    fetchval = fetchrow


def sessions(**known: Any) -> dict[str, Any]:
    usual = {"now": NOW, "is_standby": False, "role": "r", "hidden": 0, "untracked": None}
    return {**usual, "pid": None, "since": None, **known}


HOUR = timedelta(hours=1)
THOSE = Unsettled(below=10, numbers=())


@pytest.mark.parametrize(
    ("known", "prepared", "lag", "before", "warns"),
    [
        ({}, None, None, NOW, False),
        ({}, None, 60.0, NOW - HOUR / 60, False),
        ({"since": NOW - HOUR / 2, "pid": 7}, None, None, NOW - HOUR / 2, False),
        ({"since": NOW - 2 * HOUR, "pid": 7}, None, None, NOW - 2 * HOUR, True),
        ({"since": NOW - 2 * HOUR, "pid": 7}, None, 9000.0, NOW - 2.5 * HOUR, True),
        ({}, NOW - HOUR, None, NOW - 2 * HOUR, True),
        ({}, NOW - HOUR, 60.0, NOW - HOUR - HOUR / 60, True),
        ({"hidden": 3}, None, 60.0, NOW - HOUR / 60, False),
        ({"is_standby": True}, None, 60.0, NOW - HOUR / 60, False),
        ({"untracked": 7}, None, 60.0, NOW - HOUR / 60, False),
    ],
)
@pytest.mark.asyncio
async def test_a_window_ends_before_the_oldest_that_is_open(
    known: dict[str, Any],
    prepared: datetime | None,
    lag: float | None,
    before: datetime,
    warns: bool,
) -> None:
    row = None if prepared is None else {"gid": "two", "prepared": prepared}
    horizon = await look(Session(sessions(**known), row), lag)
    assert horizon.before == before
    assert (horizon.warning is not None) == warns


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"hidden": 3}, "GRANT pg_read_all_stats TO r"),
        ({"is_standby": True}, "standby"),
        ({"untracked": 7}, "pid 7 has track_activities off"),
    ],
)
@pytest.mark.asyncio
async def test_what_is_hidden_needs_a_lag(known: dict[str, Any], told: str) -> None:
    with pytest.raises(ExtractError, match=told) as caught:
        await look(Session(sessions(**known), None), None)
    assert "incremental.lag" in str(caught.value)


def waiting(xmins: Sequence[int], holder: str | None) -> Any:
    """A server whose oldest open transaction is the next of these at each look."""
    left = list(xmins)

    class Server:
        async def fetchval(self, sql: str, *arguments: Any) -> Any:
            if "pg_snapshot_xmin" in sql:
                below, _ = arguments
                return (left.pop(0) if len(left) > 1 else left[0]) < below
            return holder

    return Server()


@pytest.mark.asyncio
async def test_numbers_wait_for_what_was_open() -> None:
    clock = ManualClock()
    began = clock.monotonic()
    await clock.drive(settle(waiting([5, 5, 8, 9, 10], None), THOSE, clock))
    assert clock.monotonic() - began == pytest.approx(0.01 + 0.02 + 0.04 + 0.08)


@pytest.mark.asyncio
async def test_a_transaction_that_stays_open_is_named_and_ends_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    with pytest.raises(ExtractError, match="the transaction of pid 7 is still open"):
        await clock.drive(settle(waiting([5], "the transaction of pid 7"), THOSE, clock))
    assert [record.getMessage() for record in caplog.records] == [
        "the snapshot waits for the transaction of pid 7, which may still write rows"
    ]
