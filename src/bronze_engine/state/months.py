"""Keys that hold a date, listed from a date on: month by month, not from the first year."""

from __future__ import annotations

from datetime import date
from typing import Final

__all__ = ["month_prefixes"]

_MONTHS: Final = 3
"""More listings than these cost more than one of everything."""


def month_prefixes(since: date, until: date) -> tuple[str, ...]:
    """What `YYYY-MM-DD` begins with from `since` to `until`; one empty text where that is long."""
    first, last = (day.year * 12 + day.month - 1 for day in (since, until))
    if last - first >= _MONTHS:
        return ("",)
    return tuple(f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1))
