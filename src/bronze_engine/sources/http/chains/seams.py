"""Where a window is cut into steps: at low + n x step, and at its end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import count
from typing import Any, Final, final
from zoneinfo import ZoneInfo

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError
from bronze_engine.model.day import before_repeated_hour
from bronze_engine.model.window import Bounds, cursor_key

__all__ = ["Seams"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_LAG_SECONDS: Final = 1.0
_DAY_SECONDS: Final = 86400


@final
class Seams:
    """The upper ends of the steps of a window, by their number from 0, in the form of the cursor.

    The window ends at the request's cap. Timestamps end at the run's beginning less the lag where
    that is earlier, or there is no cap; dates without one on the day after it in UTC, on which it
    is that day in every time zone. What is newer is left for the next run. Nothing says where
    integers end: their steps do not.
    Raises ConfigError without a low.
    """

    def __init__(self, incremental: Incremental, request: Request) -> None:
        low = request.read_from if request.read_from is not None else request.low
        if incremental.step is None or low is None:
            raise ConfigError(
                "incremental.step needs a watermark to begin at, and there is none yet; "
                "set incremental.initial"
            )
        self.low: str = low
        self.end: str | None = request.cap
        """The last of them; None where it is not known."""
        self._incremental = incremental
        self._step = int(incremental.step)
        begun = request.started_at
        key = self._key(low)
        top: Fraction | int | None
        match key:
            case Fraction():
                lag = _DEFAULT_LAG_SECONDS if incremental.lag is None else incremental.lag
                end = before_repeated_hour(
                    begun - timedelta(seconds=lag), incremental.cursor_timezone
                )
                newest = math.floor(end.timestamp())
                if self.end is None or self._key(self.end) > newest:
                    self.end = self._text(newest)
                self._origin, top = math.floor(key), self._key(self.end)
            case date():
                self._step = max(1, self._step // _DAY_SECONDS)
                if self.end is None:
                    self.end = (begun.astimezone(UTC).date() + timedelta(days=1)).isoformat()
                self._origin, top = key.toordinal(), self._key(self.end).toordinal()
            case int():
                self._origin, top = key, None if self.end is None else int(self.end)
            case _:
                raise ConfigError(
                    f"incremental.step can't cut a window of cursor_type = "
                    f'"{incremental.cursor_type}"; leave it out'
                )
        self.number: int | None = None
        """How many there are; None where it is not known."""
        if top is not None:
            self.number = max(1, math.ceil((top - self._origin) / Fraction(self._step)))

    def bounds(
        self, first: int = 0, number: int | None = None, after: str | None = None
    ) -> Iterator[Bounds]:
        """The steps from the `first`, `number` of them at the most; `after` is where it begins.

        Those are left out in which nothing can lie: the hours of a naive cursor that a clock
        change gives the same name.
        """
        last = self.low if after is None else after
        stop = None if number is None else first + number
        if self.number is not None:
            stop = self.number if stop is None else min(stop, self.number)
        for place in count(first) if stop is None else range(first, stop):
            high = self._at(place)
            if self._key(high) > self._key(last):
                yield Bounds(last, high)
                last = high

    def _at(self, number: int) -> str:
        if self.end is not None and self.number == number + 1:
            return self.end
        return self._text(self._origin + self._step * (number + 1))

    def _text(self, value: int) -> str:
        """Of naive timestamps a naive text: read back it is the first of two hours that a clock
        change gives the same name, and so are the rows of both."""
        match self._incremental.cursor_type:
            case "timestamp":
                moment, zone = _EPOCH + timedelta(seconds=value), self._incremental.cursor_timezone
                if zone is None:
                    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
                return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S}"
            case "date":
                return date.fromordinal(value).isoformat()
            case _:
                return str(value)

    def _key(self, text: str) -> Any:
        incremental = self._incremental
        try:
            return cursor_key(text, incremental.cursor_type, incremental.cursor_timezone)
        except ValueError as exc:
            raise ConfigError(
                f"the watermark {text!r} is no {incremental.cursor_type}: {exc}; "
                "check incremental.initial and cursor_type"
            ) from exc
