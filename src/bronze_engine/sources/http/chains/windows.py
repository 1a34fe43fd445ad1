"""A window cut into steps: each is a chain, read beside the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
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

__all__ = ["Windows", "steps"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_LAG_SECONDS: Final = 1.0
_DAY_SECONDS: Final = 86400


@final
class Windows:
    """The chains of a source whose window is cut into steps."""

    def __init__(self, resource: Resource, incremental: Incremental) -> None:
        self._resource = resource
        self._incremental = incremental

    def preview(self) -> Preview:
        count = sum(1 for _ in steps(self._incremental, self._resource.request))
        first = next(self._chains(), None)
        config = self._resource.config
        told = f"{count:,} steps, {parallel_of(config)} side by side"
        if first is None:
            return Preview(
                location=self._resource.whole().target.location,
                first="no request: the window is empty",
                slices=(told,),
            )
        asked = first.target.shown(self._resource.pager().first())
        return Preview(
            location=first.target.location, first=f"{config.method} {asked}", slices=(told,)
        )

    async def first(self) -> Chain:
        """The first step; where nothing can be new yet, what lies above the watermark."""
        return next(self._chains(), None) or self._resource.whole()

    def plan(self, dated: Dated, shifts: Shifts, floor_bytes: int) -> Plan:  # noqa: ARG002
        """Offers the steps from the lowest on."""

        async def plan(offer: Offer) -> None:
            for chain in self._chains():
                await offer(chain)

        return plan

    def _chains(self) -> Iterator[Chain]:
        request = self._resource.request
        for number, bounds in enumerate(steps(self._incremental, request)):
            own = msgspec.structs.replace(
                request, low=bounds.low, read_from=bounds.low, cap=bounds.high
            )
            yield Chain(
                target=self._resource.target(own),
                label=f"{self._incremental.cursor} {bounds.low} to {bounds.high}",
                # Below the first step lies what the run itself judges: late rows are counted.
                bounds=msgspec.structs.replace(bounds, low=None) if number == 0 else bounds,
            )


def steps(incremental: Incremental, request: Request) -> Iterator[Bounds]:
    """The window (low, end] cut at low + n x step; each step's text is in the form of the cursor.

    It ends at the request's cap; without one, timestamps at the run's beginning less the
    lag, dates on the day after it in UTC, on which it is that day in every time zone. What
    is newer is left for the next run. Raises ConfigError without a low, and for integers
    without a cap: nothing says where they end.
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
            end = begun.timestamp() - lag if cap is None else _key(incremental, cap)
            at = math.floor(key) + step
            while at < end:
                yield _instant(at, zone)
                at += step
            yield _instant(math.floor(end), zone) if cap is None else cap
        case date():
            days = timedelta(days=max(1, step // _DAY_SECONDS))
            end = begun.astimezone(UTC).date() + timedelta(days=1)
            end = end if cap is None else _key(incremental, cap)
            day = key + days
            while day < end:
                yield day.isoformat()
                day += days
            yield end.isoformat()
        case int() if cap is not None:
            for number in range(key + step, int(cap), step):
                yield str(number)
            yield cap
        case _:
            raise ConfigError(
                f"incremental.step can't cut a window of {incremental.cursor_type} without an "
                "end; leave step out"
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
