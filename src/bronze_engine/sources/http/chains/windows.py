"""A window cut into steps: each is a chain, read beside the others of its slice.

A slice is so many steps in a row. How many comes from the configuration and the window alone,
so that a run that is broken off finds the same slices again.

Where nothing says how far an integer goes, the steps go on until one of them is empty; what
lies above that one is then asked for at once, so that a gap in the numbers hides no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Final, final

import msgspec

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Preview
from bronze_engine.model.slice import Slice
from bronze_engine.model.window import Bounds
from bronze_engine.sources.http.chains.chain import Chain, Offer, Plan
from bronze_engine.sources.http.chains.convoy import parallel_of
from bronze_engine.sources.http.chains.seams import Seams
from bronze_engine.sources.http.outlet import Dated
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Place", "Windows", "place_of"]

_MOST_COUNTED: Final = 10_000
"""Steps that a preview counts: a tenth of a second's work."""
_SLICES: Final = 100
"""A window is cut into no more of them, where nothing is configured: each has files of its own."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What one slice reads, and what those before it have found out: the spec of the slice."""

    first: int = 0
    """Number of its first step, from 0."""
    after: str | None = None
    """Where that begins; None where the window does."""
    pages: int = 0
    """Handed on by the slices before it: pages are numbered over all of them."""
    is_dated: bool = False
    as_of: datetime | None = None
    """The server's clock at the first answer of the run: newer rows are the next run's."""


@final
class Windows:
    """The chains of a source whose window is cut into steps."""

    def __init__(self, resource: Resource, incremental: Incremental) -> None:
        self._resource = resource
        self._incremental = incremental

    @cached_property
    def _seams(self) -> Seams:
        """Made when it is first asked for: without a watermark there are none, and that fault is
        the reading's."""
        return Seams(self._incremental, self._resource.request)

    def preview(self) -> Preview:
        config, seams = self._resource.config, self._seams
        first = next(self._chains(Place(), 1), None)
        url = redact_url(build_url(config.api.base_url, config.path, {}))
        asked = "no request: the window is empty"
        if first is not None:
            asked = f"{config.method} {first.target.shown(self._resource.pager().first())}"
        told = "steps until one is empty"
        if seams.number is not None:
            number = sum(1 for _ in islice(seams.bounds(), _MOST_COUNTED + 1))
            told = f"{number:,} steps"
            if number > _MOST_COUNTED:
                told = f"more than {_MOST_COUNTED:,} steps"
        told = f"{told}, {parallel_of(config)} side by side"
        if self.per_slice is not None and self.per_slice < (seams.number or 0):
            told = f"{told}, {self.per_slice:,} a slice"
        return Preview(
            location=url.partition("?")[0] if first is None else first.target.location,
            first=asked,
            slices=(told,),
        )

    async def first(self) -> Chain | None:
        """The first step, None where nothing can be new yet."""
        return next(self._chains(Place(), 1), None)

    @property
    def per_slice(self) -> int | None:
        """How many steps a slice has; None where nothing says how many there are: then all."""
        number = self._seams.number
        if number is None:
            return None
        if self._incremental.steps_per_slice is not None:
            return self._incremental.steps_per_slice
        return max(parallel_of(self._resource.config), math.ceil(number / _SLICES))

    @property
    def token(self) -> str | None:
        """What all slices and their bounds come from; None where their end is not known."""
        seams, number = self._seams, self.per_slice
        if number is None:
            return None
        step = self._incremental.step
        return f"{self._incremental.cursor} {seams.low} to {seams.end} by {step}, {number} a slice"

    def slice_at(self, index: int, place: Place) -> Slice:
        """The slice of that place."""
        label = "all pages"
        if self.per_slice is not None and self._seams.number != 1:
            begin, end = self._ends(place)
            label = f"{self._incremental.cursor} {begin} to {end}"
        return Slice(index=index, label=label, spec=msgspec.Raw(msgspec.json.encode(place)))

    def following(self, piece: Slice, pages: int, dated: Dated) -> Slice | None:
        """What comes after a slice that was read."""
        place, number = place_of(piece), self.per_slice
        if number is None or place.first + number >= (self._seams.number or 0):
            return None
        _, after = self._ends(place)
        return self.slice_at(
            piece.index + 1,
            Place(
                first=place.first + number,
                after=after,
                pages=pages,
                is_dated=dated.is_known,
                as_of=dated.as_of,
            ),
        )

    def _ends(self, place: Place) -> tuple[str, str]:
        """Where the steps of a slice begin and end."""
        begin = end = self._seams.low if place.after is None else place.after
        for bounds in self._seams.bounds(place.first, self.per_slice, begin):
            end = bounds.high or end
        return begin, end

    def plan(self, piece: Slice) -> Plan:
        """Offers the steps of a slice from the lowest on."""

        async def plan(offer: Offer) -> None:
            for chain in self._chains(place_of(piece), self.per_slice):
                await offer(chain)

        return plan

    def _chains(self, place: Place, number: int | None) -> Iterator[Chain]:
        is_open = self._seams.number is None
        is_first = place.after is None
        for bounds in self._seams.bounds(place.first, number, place.after):
            # Below the first step lies what the run itself judges: late rows are counted.
            own = msgspec.structs.replace(bounds, low=None) if is_first else bounds
            rest = Bounds(own.low, None) if is_open else None
            yield Chain(
                target=self._target(bounds.low, bounds.high, is_first=is_first),
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
            is_first = False

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


def place_of(piece: Slice) -> Place:
    """What a slice reads."""
    return msgspec.json.decode(piece.spec, type=Place)
