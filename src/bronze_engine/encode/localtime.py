"""Instants as the clocks of their zone show them.

Arrow's own `local_timestamp` knows no summer time past 2037 (measured with pyarrow 26), and needs
the system's time zones where Python brings its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from bronze_engine.encode.weight import Numbers

__all__ = ["local_ticks"]

_QUARTER_SECONDS: Final = 900
"""Offsets change where a quarter of an hour begins."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")
_FIRST: Final = (datetime(1, 1, 3, tzinfo=UTC) - _EPOCH) // timedelta(seconds=_QUARTER_SECONDS)
_LAST: Final = (datetime(9999, 12, 29, tzinfo=UTC) - _EPOCH) // timedelta(seconds=_QUARTER_SECONDS)


def local_ticks(ticks: Numbers, per_second: int, zone: str) -> Numbers:
    """Ticks since 1970 in UTC as those since 1970 by the zone's clocks.

    Raises ValueError or LookupError for a zone that is not known. Years that Python has no
    dates for have the offset of its first or last.
    """
    rules = _zone(zone)
    quarters, places = np.unique(ticks // (per_second * _QUARTER_SECONDS), return_inverse=True)
    offsets = np.array(
        [_offset_seconds(int(each), rules) for each in np.clip(quarters, _FIRST, _LAST)], np.int64
    )
    return ticks + offsets[places] * per_second if len(ticks) else ticks


def _zone(name: str) -> tzinfo:
    found = _OFFSET.fullmatch(name)
    if found is None:
        return ZoneInfo(name)
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)


def _offset_seconds(quarter: int, rules: tzinfo) -> int:
    instant = _EPOCH + timedelta(seconds=quarter * _QUARTER_SECONDS)
    offset = instant.astimezone(rules).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
