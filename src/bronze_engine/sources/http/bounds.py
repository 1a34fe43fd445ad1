"""The bounds of an incremental window as an API wants them in its parameters."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import cursor_key

__all__ = ["bound_params"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


def bound_params(
    incremental: Incremental | None, low: str | None, cap: str | None
) -> dict[str, str]:
    """The parameters that carry the window's bounds; a bound that is unknown has none.

    Where the format is coarser than the value, the low is rounded down and the cap up: too
    much is asked for, never too little, and the decoder drops what is outside.
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
        return value
    try:
        key = cursor_key(value, incremental.cursor_type, incremental.cursor_timezone)
    except ValueError as exc:
        raise ConfigError(
            f"the watermark {value!r} is no {incremental.cursor_type}: {exc}; "
            "check incremental.initial and cursor_type"
        ) from exc
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
        return str(math.ceil(number) if up else math.floor(number))
    zone: tzinfo = UTC
    if isinstance(key, Fraction) and incremental.cursor_timezone is not None:
        zone = ZoneInfo(incremental.cursor_timezone)
    return _strftime(seconds, style, zone, up=up)


def _strftime(seconds: Fraction, style: str, zone: tzinfo, *, up: bool) -> str:
    moment = _EPOCH + timedelta(microseconds=math.floor(seconds * 1_000_000))
    text = moment.astimezone(zone).strftime(style)
    if not up or _parsed(text, style, zone) == seconds:
        return text
    for unit in _UNITS[1:]:
        later = (moment + unit).astimezone(zone).strftime(style)
        if later != text:
            return later
    return text


def _parsed(text: str, style: str, zone: tzinfo) -> Fraction | None:
    try:
        moment = datetime.strptime(text, style)  # noqa: DTZ007  # naive means `zone`
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return Fraction((moment - _EPOCH) // timedelta(microseconds=1), 1_000_000)
