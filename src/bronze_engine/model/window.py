"""Watermarks and windows: which rows of a cursor belong to a run.

Watermarks are text, typed by `CursorType`, and compared as that type: timestamps as
instants, integers as integers of any size, text by code point (as COLLATE "C").
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

__all__ = ["Bounds", "CursorKey", "CursorType", "Window", "cursor_key", "earlier_cursor"]

CursorType = Literal["timestamp", "date", "integer", "text", "xid8"]
"""xid8: a transaction's number in Postgres, compared as an integer."""

CursorKey = Fraction | int | date | str

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)  # a day that every offset can show
_DAY_SECONDS = 86400


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The rows of a cursor that one partition covers: (low, high], None where unbounded."""

    column: str
    type: CursorType
    low: str | None = None
    high: str | None = None
    read_from: str | None = None
    """Where reading began: at or below low (lookback); rows in between count as late."""
    low_open: bool = True
    """Whether a row exactly at low is outside the window."""
    high_open: bool = False


class Bounds(msgspec.Struct, frozen=True):
    """The rows of a cursor that one step of a window covers: (low, high], None where unbounded."""

    low: str | None
    high: str | None


def cursor_key(value: str, kind: CursorType, timezone: str | None = None) -> CursorKey:
    """The value in the form in which watermarks of `kind` are compared.

    Timestamps become exact seconds since 1970 UTC (fractions of any length kept); a
    naive one needs `timezone`. Raises ValueError where the text is not of that kind.
    """
    match kind:
        case "integer" | "xid8":
            return int(value)
        case "date":
            return date.fromisoformat(value)
        case "text":
            return value
        case "timestamp":
            return _instant(value, timezone)


def earlier_cursor(value: str, by: float, kind: CursorType, timezone: str | None = None) -> str:
    """The cursor value that lies so far below: seconds of timestamps and dates, else a number.

    A timestamp keeps its offset, or its lack of one; past microseconds it is cut, so that it
    is never above. Nothing lies below the year 1. Raises ValueError for what is not of that
    kind, and for texts, between which there is no distance.
    """
    match kind:
        case "integer" | "xid8":
            return str(int(value) - int(by))
        case "date":
            days = min(int(by // _DAY_SECONDS), (date.fromisoformat(value) - date.min).days)
            return (date.fromisoformat(value) - timedelta(days=days)).isoformat()
        case "timestamp":
            instant = _instant(value, timezone)
            moment = _EPOCH + timedelta(microseconds=int(instant * 1_000_000 // 1))
            moment -= min(timedelta(seconds=by), moment - _FIRST)
            match = _TIMESTAMP.fullmatch(value.strip())
            assert match is not None  # noqa: S101  # or it would be no instant
            if match[4] is not None:
                offset = "+00:00" if match[4] in "Zz" else match[4]
                zone = datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo
                return moment.astimezone(zone).isoformat()
            assert timezone is not None  # noqa: S101  # or it would be no instant
            return moment.astimezone(ZoneInfo(timezone)).replace(tzinfo=None).isoformat()
        case "text":
            raise ValueError(f"nothing lies a distance below the text {value!r}")


def _instant(value: str, timezone: str | None) -> Fraction:
    match = _TIMESTAMP.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is no ISO 8601 timestamp")
    day, clock, fraction, offset = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}")
    if offset is not None:
        text = "+00:00" if offset in "Zz" else offset
        moment = moment.replace(tzinfo=datetime.fromisoformat(f"2000-01-01T00:00{text}").tzinfo)
    elif timezone is not None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    else:
        raise ValueError(f"{value!r} has no offset; set incremental.cursor_timezone")
    seconds = Fraction((moment - _EPOCH) // timedelta(seconds=1))
    return seconds + (Fraction(int(fraction), 10 ** len(fraction)) if fraction else 0)
