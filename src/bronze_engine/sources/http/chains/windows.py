"""A window cut into steps: each is a chain, read beside the others.

Where nothing says how far an integer goes, the steps go on until one of them is empty; what
lies above that one is then asked for at once, so that a gap in the numbers hides no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import count, islice
from typing import Any, Final, final
from zoneinfo import ZoneInfo

import msgspec

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Preview, Request
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import Bounds, cursor_key
from bronze_engine.sources.http.chains.chain import Chain, Offer, Plan
from bronze_engine.sources.http.chains.convoy import parallel_of
from bronze_engine.sources.http.outlet import Dated
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.shifts import Shifts
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Windows", "steps"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_LAG_SECONDS: Final = 1.0
_DAY_SECONDS: Final = 86400
_MOST_COUNTED: Final = 10_000
"""Steps that a preview counts: a tenth of a second's work."""


@final
class Windows:
    """The chains of a source whose window is cut into steps."""

    def __init__(self, resource: Resource, incremental: Incremental) -> None:
        self._resource = resource
        self._incremental = incremental

    def preview(self) -> Preview:
        config = self._resource.config
        first = next(self._chains(), None)
        url = redact_url(build_url(config.api.base_url, config.path, {}))
        asked = "no request: the window is empty"
        if first is not None:
            asked = f"{config.method} {first.target.shown(self._resource.pager().first())}"
        told = "steps until one is empty"
        if first is None or first.rest is None:
            found = islice(steps(self._incremental, self._resource.request), _MOST_COUNTED + 1)
            number = sum(1 for _ in found)
            told = f"{number:,} steps"
            if number > _MOST_COUNTED:
                told = f"more than {_MOST_COUNTED:,} steps"
        return Preview(
            location=url.partition("?")[0] if first is None else first.target.location,
            first=asked,
            slices=(f"{told}, {parallel_of(config)} side by side",),
        )

    async def first(self) -> Chain | None:
        """The first step, None where nothing can be new yet."""
        return next(self._chains(), None)

    def plan(self, dated: Dated, shifts: Shifts, floor_bytes: int) -> Plan:  # noqa: ARG002
        """Offers the steps from the lowest on."""

        async def plan(offer: Offer) -> None:
            for chain in self._chains():
                await offer(chain)

        return plan

    def _chains(self) -> Iterator[Chain]:
        request = self._resource.request
        is_open = self._incremental.cursor_type == "integer" and request.cap is None
        for number, bounds in enumerate(steps(self._incremental, request)):
            # Below the first step lies what the run itself judges: late rows are counted.
            own = msgspec.structs.replace(bounds, low=None) if number == 0 else bounds
            rest = Bounds(own.low, None) if is_open else None
            yield Chain(
                target=self._target(bounds.low, bounds.high, is_first=number == 0),
                label=f"{self._incremental.cursor} {bounds.low} to {bounds.high}",
                bounds=own,
                rest=None
                if rest is None
                else Chain(
                    target=self._target(bounds.low, None),
                    label=f"{self._incremental.cursor} above {bounds.low}",
                    bounds=rest,
                ),
            )

    def _target(self, low: str | None, high: str | None, *, is_first: bool = False) -> Target:
        """A seam belongs to the step below it; the ends are those of the window."""
        request = self._resource.request
        return self._resource.target(
            msgspec.structs.replace(
                request,
                low=low,
                read_from=low,
                cap=high,
                low_open=request.low_open or not is_first,
                cap_open=request.cap_open and high == request.cap,
            )
        )


def steps(incremental: Incremental, request: Request) -> Iterator[Bounds]:
    """The window (low, end] cut at low + n x step; each step's text is in the form of the cursor.

    It ends at the request's cap. Timestamps end at the run's beginning less the lag where that is
    earlier, or there is no cap; dates without one on the day after it in UTC, on which it is that
    day in every time zone. What is newer is left for the next run. Nothing says where integers
    end: their steps do not.
    Raises ConfigError without a low.
    """
    step = incremental.step
    low = request.read_from if request.read_from is not None else request.low
    if step is None or low is None:
        raise ConfigError(
            "incremental.step needs a watermark to begin at, and there is none yet; "
            "set incremental.initial"
        )
    last = low
    for high in _seams(incremental, request, low, int(step)):
        if _key(incremental, high) > _key(incremental, last):
            yield Bounds(last, high)
            last = high


def _seams(incremental: Incremental, request: Request, low: str, step: int) -> Iterator[str]:
    """The upper ends, the last of them that of the window."""
    cap, begun = request.cap, request.started_at
    key = _key(incremental, low)
    match key:
        case Fraction():
            zone = incremental.cursor_timezone
            lag = _DEFAULT_LAG_SECONDS if incremental.lag is None else incremental.lag
            newest = math.floor(begun.timestamp() - lag)
            is_over = cap is not None and _key(incremental, cap) <= newest
            last = cap if cap is not None and is_over else _instant(newest, zone)
            top = _key(incremental, last)
            at = math.floor(key) + step
            while at < top:
                yield _instant(at, zone)
                at += step
            yield last
        case date():
            days = timedelta(days=max(1, step // _DAY_SECONDS))
            end = begun.astimezone(UTC).date() + timedelta(days=1)
            end = end if cap is None else _key(incremental, cap)
            day = key + days
            while day < end:
                yield day.isoformat()
                day += days
            yield end.isoformat()
        case int() if cap is None:
            yield from map(str, count(key + step, step))
        case int() if cap is not None:
            yield from map(str, range(key + step, int(cap), step))
            yield cap
        case _:
            raise ConfigError(
                f"incremental.step can't cut a window of cursor_type = "
                f'"{incremental.cursor_type}"; leave it out'
            )


def _instant(seconds: int, zone: str | None) -> str:
    """Of naive cursors a naive text: read back it is the first of two hours that a clock change
    gives the same name, and so are the rows of both."""
    moment = _EPOCH + timedelta(seconds=seconds)
    if zone is None:
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S}"


def _key(incremental: Incremental, text: str) -> Any:
    try:
        return cursor_key(text, incremental.cursor_type, incremental.cursor_timezone)
    except ValueError as exc:
        raise ConfigError(
            f"the watermark {text!r} is no {incremental.cursor_type}: {exc}; "
            "check incremental.initial and cursor_type"
        ) from exc
