"""The bounds of an incremental window as an API wants them in its parameters."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import CursorKey, cursor_key

__all__ = ["bound_params"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:([.,])(\d+))?")
_UNITS: Final = (
    timedelta(microseconds=1),
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=2),  # the day of a clock change has 25 hours
    timedelta(days=32),
    timedelta(days=367),
)
"""The next text of a format is one of these away, whatever its finest field is."""


def bound_params(
    incremental: Incremental | None, low: str | None, cap: str | None
) -> dict[str, str]:
    """The parameters that carry the window's bounds; a bound that is unknown has none.

    Too much is asked for, never too little, and the decoder drops what is outside: the low
    is rounded down to what the format can say, and the end is the next value above the cap,
    for whether an API takes its ends in is not known. (A cap of a text cursor is sent as it
    is: there is no next text.)
    """
    if incremental is None:
        return {}
    params = {}
    if incremental.start_param is not None and low is not None:
        params[incremental.start_param] = _formatted(low, incremental, up=False)
    if incremental.end_param is not None and cap is not None:
        params[incremental.end_param] = _formatted(cap, incremental, up=True)
    return params


def _formatted(value: str, incremental: Incremental, *, up: bool) -> str:
    style = incremental.format
    if style is None:
        return _above(value, incremental) if up else value
    key = _key(value, incremental)
    match key:
        case Fraction():
            seconds = key
        case date():
            seconds = Fraction((key - _EPOCH.date()).days * 86400)
        case _:
            raise ConfigError(
                f"incremental.format is for timestamps and dates, and cursor_type is "
                f"{incremental.cursor_type!r}; leave format out"
            )
    if style in ("epoch", "epoch_ms"):
        number = seconds if style == "epoch" else seconds * 1000
        return str(math.floor(number) + up)
    zone: tzinfo = UTC
    if isinstance(key, Fraction) and incremental.cursor_timezone is not None:
        zone = ZoneInfo(incremental.cursor_timezone)
    moment = _EPOCH + timedelta(microseconds=math.floor(seconds * 1_000_000))
    text = moment.astimezone(zone).strftime(style)
    if not up:
        return text
    laters = ((moment + unit).astimezone(zone).strftime(style) for unit in _UNITS)
    return next((later for later in laters if later != text), text)


def _key(value: str, incremental: Incremental) -> CursorKey:
    try:
        return cursor_key(value, incremental.cursor_type, incremental.cursor_timezone)
    except ValueError as exc:
        raise ConfigError(
            f"the watermark {value!r} is no {incremental.cursor_type}: {exc}; "
            "check incremental.initial and cursor_type"
        ) from exc


def _above(value: str, incremental: Incremental) -> str:
    """The next value that can be written as this one is."""
    match _key(value, incremental):
        case int(number):
            return str(number + 1)
        case date() as day:
            return (day + timedelta(days=1)).isoformat()
        case Fraction():
            return _ISO.sub(_next_instant, value, count=1)
        case _:
            return value


def _next_instant(match: re.Match[str]) -> str:
    wall, mark, fraction = match[1], match[2] or "", match[3] or ""
    if fraction.strip("9"):
        return f"{wall}{mark}{int(fraction) + 1:0{len(fraction)}}"
    has_seconds = wall.count(":") == 2
    step = timedelta(seconds=1) if has_seconds else timedelta(minutes=1)
    moment = datetime.fromisoformat(wall) + step
    text = moment.isoformat(wall[10], "seconds" if has_seconds else "minutes")
    return f"{text}{mark}{'0' * len(fraction)}"
