"""What kind of values a column of a sheet holds, and how each is written as JSON."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any, Final, final

__all__ = ["ColumnKind", "plain"]

_WHOLE: Final = 2**53
"""Doubles beyond are whole, but not what was typed."""

_KINDS: Final[dict[type, str]] = {
    bool: "bool",
    int: "number",
    float: "number",
    datetime: "timestamp",
    date: "timestamp",
    time: "time",
    timedelta: "text",
    str: "text",
}
_TYPES: Final = {"bool": "bool", "timestamp": "timestamp(us)", "time": "time", "text": "string"}


@final
class ColumnKind:
    """Fed with every value of one column."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._has_fractions = False

    def see(self, value: Any) -> None:
        kind = _KINDS[type(value)]
        self._counts[kind] += 1
        if kind == "number" and not self._has_fractions and not _is_whole(value):
            self._has_fractions = True

    @property
    def type(self) -> str | None:
        """The type as `schema.columns` would name it: of most values, the first kind of two that
        are even. None where it goes without saying: nothing, texts alone, whole numbers alone."""
        if not self._counts:
            return None
        kind = self._counts.most_common(1)[0][0]
        if kind == "number":
            if self._has_fractions:
                return "double"
            return None if len(self._counts) == 1 else "int64"
        return None if kind == "text" and len(self._counts) == 1 else _TYPES[kind]


def plain(value: Any, *, day_alone: bool) -> Any:
    """A cell as JSON has it. Numbers that are whole are written so; `day_alone` writes an instant
    at midnight as its day."""
    if value == "":
        return None
    match value:
        case bool() | str() | int():
            return value
        case float():
            return int(value) if _is_whole(value) else value
        case datetime() | time():
            return value.isoformat()
        case date():
            return value.isoformat() if day_alone else f"{value.isoformat()}T00:00:00"
        case timedelta():
            return _duration(value)
        case _:
            raise TypeError(f"a cell holds a {type(value).__name__}")


def _is_whole(value: float) -> bool:
    return abs(value) < _WHOLE and float(value).is_integer()


def _duration(value: timedelta) -> str:
    """As Excel shows it: hours without end, minutes, seconds."""
    sign = "-" if value < timedelta(0) else ""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 10**6)
    hours, rest = divmod(seconds, 3600)
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    return f"{sign}{hours}:{rest // 60:02}:{rest % 60:02}{fraction}"
