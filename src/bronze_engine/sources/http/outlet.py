"""Where a source's pages go, in the order of its plan: each becomes blocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol, final

import msgspec

from bronze_engine.contracts import Emit, Request, Resources
from bronze_engine.flow import Gate
from bronze_engine.model.day import before_repeated_hour, settled_until
from bronze_engine.sources.http.body.page_blocks import blocks_of
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.fetch import Page
from bronze_engine.telemetry.events import PageFetched

__all__ = ["Dated", "Outlet", "Sink"]


_DEFAULT_LAG_SECONDS: Final = 1.0
"""One unit of the server's clock: its Date header has whole seconds."""

_BEHIND: Final = timedelta(minutes=5)
"""More than clocks that are kept are apart, and answers on their way."""


class Sink(Protocol):
    """Takes the pages of chains: chain after chain, in page order."""

    async def page(self, page: Page, chain: Chain, total: int | None, /) -> None:
        """Take one page; returns when it is accepted. `total` is what its pager knows."""
        ...


@final
class Dated:
    """The server's clock at the first answer of one reading, for all of its chains.

    Rows newer than that belong to the next window: what a later chain sees of them an
    earlier one could not. So where it matters no chain begins before it is known.
    """

    def __init__(self, request: Request, resources: Resources) -> None:
        self._request = request
        self._resources = resources
        self.as_of: datetime | None = None
        """The run's beginning by our clock where the server does not say."""
        self.is_known = False
        """Whether there was an answer."""
        self._told = Gate()

    def note(self, date: str | None) -> None:
        """Take the Date header of an answer; only the first one counts."""
        if self.is_known:
            return
        as_of = _instant(date)
        if as_of is not None:
            self._judge(as_of)
        self.know(as_of or self._request.started_at)

    def _judge(self, as_of: datetime) -> None:
        """Warn of a clock that is behind: rows wait for it, and nobody sees why."""
        incremental = self._request.incremental
        behind = self._resources.clock.now() - as_of
        if incremental is None or incremental.cursor_type != "timestamp" or behind < _BEHIND:
            return
        self._resources.tally.warn(
            f"the server's clock, its Date header, is {behind.total_seconds():,.0f} s behind ours: "
            "rows newer than that wait for a later run; mend its clock or ours, or what caches "
            "its answers"
        )

    def know(self, as_of: datetime | None) -> None:
        """Take what the first answer of the run has said."""
        self.as_of = as_of
        self.is_known = True
        self._told.open()

    async def known(self) -> None:
        """Wait for the first answer."""
        while not self.is_known:
            await self._told.wait()


@final
class Outlet:
    """Makes blocks of pages, numbered over all chains and slices, and hands them on."""

    def __init__(
        self, request: Request, resources: Resources, dated: Dated, emit: Emit, *, pages: int = 0
    ) -> None:
        self._request = request
        self._resources = resources
        self._dated = dated
        self._emit = emit
        self.pages = pages
        """Handed on so far, by the slices before this one too."""
        self.emitted_records = 0
        self.has_missing = False
        """Whether a page had no list of records at all."""

    async def page(self, page: Page, chain: Chain, total: int | None, /) -> None:
        """Hand one page on. Pages past the end are none."""
        if page.answered.is_past_end:
            return
        self._dated.note(page.date)
        self.has_missing = self.has_missing or page.split.is_missing
        self._resources.tally.reached = self._reached
        self.pages += 1
        resources = self._resources
        resources.tally.pages += 1
        resources.publish(
            PageFetched(
                pipeline=self._request.pipeline,
                run=self._request.run,
                page=self.pages,
                records=page.split.records,
                bytes_in=page.bytes_in,
                total_records=total,
            )
        )
        as_of, captured = self._dated.as_of, page.captured
        if captured is not None:
            captured = msgspec.structs.replace(
                captured, page=self.pages, chain=chain.label, as_of=as_of, bounds=chain.bounds
            )
        for block in blocks_of(
            page.split, page=self.pages, as_of=as_of, bounds=chain.bounds, captured=captured
        ):
            self.emitted_records += block.records + len(block.rejects)
            await self._emit(block)

    @property
    def _reached(self) -> str | None:
        """Of today's date window: rows newer than that may still come, and are left out."""
        request, as_of = self._request, self._dated.as_of
        incremental = request.incremental
        if incremental is None or as_of is None:
            return None
        lag = _DEFAULT_LAG_SECONDS if incremental.lag is None else incremental.lag
        end = before_repeated_hour(
            min(as_of, request.started_at) - timedelta(seconds=lag), incremental.cursor_timezone
        )
        return settled_until(
            end.replace(microsecond=0),  # steps end with a whole second
            incremental.cursor_type,
            incremental.cursor_timezone,
        )


def _instant(date: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
