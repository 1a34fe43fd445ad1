"""The bounds of an incremental window as an API wants them in its parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from functools import partial
from typing import Final, Literal
from zoneinfo import ZoneInfo

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import CursorKey, cursor_key

__all__ = ["bound_params", "bound_texts"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:([.,])(\d+))?")
_Side = Literal["below", "at_most", "at_least", "above"]
"""Which text a value is asked for by: the last below it, the last that is not above it, the first
that is not below it, the first above it."""
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
    incremental: Incremental | None,
    low: str | None,
    cap: str | None,
    *,
    low_open: bool = True,
    cap_open: bool = False,
) -> dict[str, str]:
    """The parameters that carry the window's bounds; a bound that is unknown has none.

    Too much is asked for, never too little, and the decoder drops what is outside, for whether
    an API takes its ends in is not known. The low is rounded down to what the format can say;
    where rows exactly at it are wanted, it is the value below, unless the format says days: a
    day as a beginning means from its first instant. `initial`, where a chain begins, is a
    person's own word to the API, and is sent as it stands. The end is the next value above the cap;
    where rows at the cap are not wanted, it is the cap. (A cap of a text cursor is sent as it
    is: there is no next text.)
    """
    if incremental is None:
        return {}
    params = {}
    if incremental.start_param is not None and low is not None:
        is_initial = incremental.window == "chain" and low == incremental.initial
        side: _Side = "at_most" if low_open or is_initial else "below"
        params[incremental.start_param] = _formatted(low, incremental, side)
    if incremental.end_param is not None and cap is not None:
        side = "at_least" if cap_open else "above"
        params[incremental.end_param] = _formatted(cap, incremental, side)
    return params


def bound_texts(
    incremental: Incremental | None, low: str | None, cap: str | None, *, cap_open: bool = False
) -> tuple[str | None, str | None]:
    """What `{low}` and `{high}` stand for, as `format` writes it.

    Rounded outwards, as parameters are: a request may ask for less than the end, and rows at
    the cap are wanted. But the low is itself: whoever writes a request writes whether rows at
    it are asked for.
    """
    if incremental is None:
        return low, cap
    side: _Side = "at_least" if cap_open else "above"
    return (
        None if low is None else _formatted(low, incremental, "at_most"),
        None if cap is None else _formatted(cap, incremental, side),
    )


def _formatted(value: str, incremental: Incremental, side: _Side) -> str:
    style = incremental.format
    if style is None:
        return _near(value, incremental, side)
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
        return str(_whole(seconds if style == "epoch" else seconds * 1000, side))
    zone: tzinfo = UTC
    if isinstance(key, Fraction) and incremental.cursor_timezone is not None:
        zone = ZoneInfo(incremental.cursor_timezone)

    def text(moment: datetime) -> str:
        return moment.astimezone(zone).strftime(style)

    at = _EPOCH + timedelta(microseconds=math.floor(seconds * 1_000_000))
    if side == "below":
        return text(at - _clock_unit(text))
    begins = text(at) != text(at - _UNITS[0]) and (seconds * 1_000_000).denominator == 1
    if side == "at_most" or (side == "at_least" and begins):
        return text(at)
    laters = (text(at + unit) for unit in _UNITS)
    return next((later for later in laters if later != text(at)), text(at))


def _whole(number: Fraction, side: _Side) -> int:
    match side:
        case "below":
            return math.ceil(number) - 1
        case "at_most":
            return math.floor(number)
        case "at_least":
            return math.ceil(number)
        case "above":
            return math.floor(number) + 1


def _clock_unit(text: Callable[[datetime], str]) -> timedelta:
    """How far apart the texts of a format are; nothing for one that says days, or longer."""
    noon = datetime(2025, 1, 15, 12, tzinfo=UTC)
    units = (unit for unit in _UNITS if unit < timedelta(days=1))
    return next((unit for unit in units if text(noon + unit) != text(noon)), timedelta(0))


def _key(value: str, incremental: Incremental) -> CursorKey:
    try:
        return cursor_key(value, incremental.cursor_type, incremental.cursor_timezone)
    except ValueError as exc:
        raise ConfigError(
            f"the watermark {value!r} is no {incremental.cursor_type}: {exc}; "
            "check incremental.initial and cursor_type"
        ) from exc


def _near(value: str, incremental: Incremental, side: _Side) -> str:
    """The value itself, or one beside it that can be written as it is."""
    if side in ("at_most", "at_least"):
        return value
    step = 1 if side == "above" else -1
    match _key(value, incremental):
        case int(number):
            return str(number + step)
        case date() as day:
            return (day + timedelta(days=1)).isoformat() if side == "above" else value
        case Fraction():
            return _ISO.sub(partial(_near_instant, step), value, count=1)
        case _:
            return value


def _near_instant(step: int, match: re.Match[str]) -> str:
    wall, mark, fraction = match[1], match[2] or "", match[3] or ""
    carry, left = divmod(int(fraction or 0) + step, 10 ** len(fraction))
    has_seconds = wall.count(":") == 2
    unit = timedelta(seconds=1) if has_seconds else timedelta(minutes=1)
    moment = datetime.fromisoformat(wall) + carry * unit
    text = moment.isoformat(wall[10], "seconds" if has_seconds else "minutes")
    return f"{text}{mark}{left:0{len(fraction)}}" if fraction else f"{text}{mark}"
