"""One reading of a chain's pages, in order, ahead of who takes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import tee
from typing import Final, final

import anyio

from bronze_engine.errors import PageError
from bronze_engine.flow import Lane, ordered
from bronze_engine.sources.http.fetch import Fetcher, Page
from bronze_engine.sources.http.limited import limited
from bronze_engine.sources.http.paging.pager import Ask, Pager

__all__ = ["FIRST_GUESS_BYTES", "HandOn", "Reading"]

FIRST_GUESS_BYTES: Final = 1024**2
"""Taken for the size of a page before one was read."""

_LEAST_AHEAD: Final = 64

HandOn = Callable[[Page], Awaitable[None]]
"""Takes one page, in order; returns when it is accepted."""


@final
class Reading:
    """Reads a chain's pages from the first to the last, once.

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
        lane: Lane,
        *,
        page_bytes: int = FIRST_GUESS_BYTES,
        may_be_missing: bool = False,
    ) -> None:
        self._pager = pager
        self._fetcher = fetcher
        self._lane = lane
        self._may_be_missing = may_be_missing
        self._last: Page | None = None
        """The page accepted last: the next one must differ."""
        self.page_bytes = page_bytes
        """What the next page is taken to weigh: as much as the one before."""
        self.is_missing = False
        """Whether the server answered 404 to the first page, where that means no records."""

    async def run(self, hand_on: HandOn) -> None:
        """Hand on every page. Raises what `Fetcher.page` and the pager raise."""
        pager, lane = self._pager, self._lane
        if pager.max_records is not None:
            hand_on = limited(hand_on, pager.max_records)
        held = self.page_bytes
        await lane.take(held)
        try:
            first = await self._fetcher.page(pager.first(), may_be_past_end=self._may_be_missing)
            if self._may_be_missing and first.answered.is_past_end:
                self.is_missing = True
                return
            following = self._accept(first)
            if following is None:  # the only page of many a chain: it needs no flow
                lane.add(self.page_bytes - held)
                held = self.page_bytes
                await hand_on(first)
                return
        finally:
            lane.add(-held)
        ready: Page | None = first
        while ready is not None or following is not None:
            if pager.ahead is None or pager.ahead > 1:
                following = await self._read_ahead(ready, following, hand_on)
            else:
                following = await self._read_chain(ready, following, hand_on)
            ready = None

    async def _read_ahead(
        self, ready: Page | None, following: Ask | None, hand_on: HandOn
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

        async def accept(page: Page) -> bool:
            nonlocal expected, upcoming
            if page is not ready:
                expected, upcoming = self._accept(page), next(planned, None)
            await hand_on(page)
            # A wrong guess ends the flow here: what became of its request does not matter.
            return expected is not None and expected == upcoming

        async with aclosing(asks()) as items:
            await ordered(
                items,
                fetch,
                accept,
                lane=self._lane,
                estimate=lambda _: self.page_bytes,
                ahead=self._ahead,
            )
        return expected

    def _ahead(self) -> int:
        """More than may be in flight, so that a slow page leaves no slot of the API idle."""
        ahead = self._pager.ahead
        return max(_LEAST_AHEAD, 2 * self._fetcher.in_flight) if ahead is None else ahead

    async def _read_chain(
        self, ready: Page | None, following: Ask | None, hand_on: HandOn
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

        async with aclosing(asks()) as items:
            await ordered(
                items,
                fetch,
                hand_on,
                lane=self._lane,
                estimate=lambda _: self.page_bytes,
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
        self.page_bytes = max(1, page.split.size_bytes)
        try:
            return self._pager.accept(page.answered)
        except PageError as exc:
            raise self._fetcher.located(exc, page.ask) from None
