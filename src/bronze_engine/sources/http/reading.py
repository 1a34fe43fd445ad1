"""One reading of all pages, in order, ahead of who takes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import tee
from typing import Final, final

import anyio

from bronze_engine.contracts import Emit, Request, Resources
from bronze_engine.errors import PageError
from bronze_engine.flow import Lane, ordered
from bronze_engine.model.block import Block
from bronze_engine.sources.http.fetch import Fetcher, Page
from bronze_engine.sources.http.paging.pager import Ask, Pager
from bronze_engine.telemetry.events import PageFetched

__all__ = ["Reading"]

_FIRST_GUESS_BYTES: Final = 1024**2


@final
class Reading:
    """Reads a source's pages from the first to the last, once.

    Page 1 is read alone: it says how the others can be read. Where the pager can foresee
    them they are fetched side by side, else one after another with the next page on its
    way while one is handed on. Either way the pager accepts them in page order; a page
    fetched on a guess that turns out wrong is thrown away and the reading goes on from
    where the pager is.
    """

    def __init__(
        self,
        pager: Pager,
        fetcher: Fetcher,
        request: Request,
        resources: Resources,
        lane: Lane,
    ) -> None:
        self._pager = pager
        self._fetcher = fetcher
        self._request = request
        self._resources = resources
        self._lane = lane
        self._page_bytes = _FIRST_GUESS_BYTES
        self._as_of: datetime | None = None
        self._last: Page | None = None
        """The page handed on last: the next one must differ."""
        self.emitted_records = 0

    async def run(self, emit: Emit) -> None:
        """Hand on every record. Raises what `Fetcher.page` and the pager raise."""
        pager = self._pager
        await self._lane.take(self._page_bytes)
        try:
            first = await self._fetcher.page(pager.first())
            self._as_of = _instant(first.date)
        finally:
            self._lane.add(-self._page_bytes)
        self._page_bytes = first.split.size_bytes
        following = self._accept(first)
        ready: Page | None = first
        while ready is not None or following is not None:
            if pager.ahead > 1:
                following = await self._read_ahead(ready, following, emit)
            else:
                following = await self._read_chain(ready, following, emit)
            ready = None

    async def _read_ahead(
        self, ready: Page | None, following: Ask | None, emit: Emit
    ) -> Ask | None:
        """Fetch what the pager foresees side by side; returns where it goes on, if it does."""
        may_be_past_end = self._pager.ends_at_404
        guesses, planned = tee(self._pager.guess(following) if following is not None else ())
        upcoming = next(planned, None)
        expected = following

        async def asks() -> AsyncGenerator[Ask, None]:
            if ready is not None:
                yield ready.ask
            for ask in guesses:
                yield ask

        async def fetch(ask: Ask) -> tuple[Page, int]:
            if ready is not None and ask is ready.ask:
                page = ready
            else:
                page = await self._fetcher.page(ask, may_be_past_end=may_be_past_end)
            return page, page.split.size_bytes

        async def hand_on(page: Page) -> bool:
            nonlocal expected, upcoming
            if page is not ready:
                expected, upcoming = self._accept(page), next(planned, None)
            await self._emit(page, emit)
            # A wrong guess ends the flow here: what became of its request does not matter.
            return expected is not None and expected == upcoming

        async with aclosing(asks()) as items:
            await ordered(
                items,
                fetch,
                hand_on,
                lane=self._lane,
                estimate=lambda _: self._page_bytes,
                ahead=self._pager.ahead,
            )
        return expected

    async def _read_chain(
        self, ready: Page | None, following: Ask | None, emit: Emit
    ) -> Ask | None:
        """Fetch one page after another, one ahead of the one that is being handed on."""
        fetched = anyio.Event()

        async def asks() -> AsyncGenerator[Ask, None]:
            nonlocal fetched
            if ready is not None:
                yield ready.ask
            while following is not None:
                fetched = anyio.Event()
                yield following
                await fetched.wait()

        async def fetch(ask: Ask) -> tuple[Page, int]:
            nonlocal following
            if ready is not None and ask is ready.ask:
                return ready, ready.split.size_bytes
            page = await self._fetcher.page(ask, may_be_past_end=self._pager.ends_at_404)
            following = self._accept(page)
            fetched.set()
            return page, page.split.size_bytes

        async def hand_on(page: Page) -> None:
            await self._emit(page, emit)

        async with aclosing(asks()) as items:
            await ordered(
                items,
                fetch,
                hand_on,
                lane=self._lane,
                estimate=lambda _: self._page_bytes,
                ahead=1,
            )
        return None

    def _accept(self, page: Page) -> Ask | None:
        """Take a page in order; says what follows it."""
        last, self._last = self._last, page
        if page.split.records and last is not None and last.split.lines == page.split.lines:
            raise self._fetcher.located(
                PageError(
                    "it is identical to the page before it: the server ignores the paginator's "
                    f"parameters ({', '.join(sorted(self._pager.params)) or 'a link'}), or the "
                    "pages go round; nothing more is read"
                ),
                page.ask,
            )
        self._page_bytes = max(1, page.split.size_bytes)
        try:
            return self._pager.accept(page.answered)
        except PageError as exc:
            raise self._fetcher.located(exc, page.ask) from None

    async def _emit(self, page: Page, emit: Emit) -> None:
        if page.answered.is_past_end:
            return
        resources = self._resources
        resources.tally.pages += 1
        resources.publish(
            PageFetched(
                pipeline=self._request.pipeline,
                run=self._request.run,
                page=page.ask.number,
                records=page.split.records,
                bytes_in=page.bytes_in,
                total_records=self._pager.total,
            )
        )
        for lines in page.split.lines:
            self.emitted_records += lines.records
            await emit(
                Block(
                    data=lines.data,
                    records=lines.records,
                    page=page.ask.number,
                    offset=lines.offset,
                    as_of=self._as_of,
                )
            )


def _instant(date: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
