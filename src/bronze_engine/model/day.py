"""The day of a run date as a window of a cursor: [00:00, 00:00 of the next day)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bronze_engine.model.window import CursorType, cursor_key

__all__ = ["before_repeated_hour", "covers", "day_bounds", "settled_until"]

_ANYWHERE: Final = "Etc/GMT+12"
"""The zone where a day ends last: dates do not say whose day they are."""
_MICROSECOND: Final = timedelta(microseconds=1)


def day_bounds(
    day: date, kind: CursorType, timezone: str, cursor_timezone: str | None = None
) -> tuple[str, str]:
    """The first value of the day and the first of the next one, as watermarks of the cursor.

    `timezone` says where the day is; the days of its clock changes have 23 or 25 hours. The
    texts of timestamps are in UTC, those of naive ones in `cursor_timezone`. Raises ValueError
    for a kind of cursor that has no days, and for a day past the calendar.
    """
    try:
        following = day + timedelta(days=1)
        if kind == "date":
            return day.isoformat(), following.isoformat()
        if kind == "timestamp":
            return (
                _text(_midnight(day, timezone), cursor_timezone),
                _text(_midnight(following, timezone), cursor_timezone),
            )
    except OverflowError:
        raise ValueError(f"{day} is the last day of the calendar, or the first") from None
    raise ValueError(f'cursor_type = "{kind}" has no days')


def settled_until(
    instant: datetime, kind: CursorType, cursor_timezone: str | None = None
) -> str | None:
    """The last value of a timestamp or date that lies before an instant, whole; of others None.

    Without a zone a date does not say whose day it is, and is over when it is so everywhere.
    """
    if kind == "timestamp":
        return _text(instant - _MICROSECOND, cursor_timezone)
    if kind == "date":
        zone = ZoneInfo(cursor_timezone or _ANYWHERE)
        return (instant.astimezone(zone).date() - timedelta(days=1)).isoformat()
    return None


def before_repeated_hour(instant: datetime, cursor_timezone: str | None) -> datetime:
    """The last instant by which no naive text may come again: it is the instant itself, but where
    clocks are put back the first half of the hour that comes twice must not end a window, or the
    second half would lie below it."""
    if cursor_timezone is None:
        return instant
    zone, hour = ZoneInfo(cursor_timezone), timedelta(hours=1)
    wall, later = ((at.astimezone(zone).replace(tzinfo=None)) for at in (instant, instant + hour))
    return min(wall, later - hour).replace(tzinfo=zone).astimezone(UTC)


def covers(reached: str, end: str, kind: CursorType, cursor_timezone: str | None = None) -> bool:
    """Whether who has read all values up to `reached` has read all below `end`.

    Timestamps come in microseconds at the finest, as far as this tells.
    """
    last, beyond = (cursor_key(text, kind, cursor_timezone) for text in (reached, end))
    if isinstance(last, date) and isinstance(beyond, date):
        return last >= beyond - timedelta(days=1)
    assert not isinstance(last, date | str) and not isinstance(beyond, date | str)  # noqa: S101, PT018  # one kind
    return (beyond - last) * 1_000_000 <= 1


def _midnight(day: date, timezone: str) -> datetime:
    """The first instant of a day. Where clocks skip midnight it is the instant of the change."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def _text(moment: datetime, cursor_timezone: str | None) -> str:
    """Of naive cursors a naive text: where a clock change gives two hours one name it means the
    first of them, as it does of rows, so that the day before ends where this one begins."""
    if cursor_timezone is None:
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    return moment.astimezone(ZoneInfo(cursor_timezone)).replace(tzinfo=None).isoformat()
