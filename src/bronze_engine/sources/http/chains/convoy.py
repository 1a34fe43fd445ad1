"""Chains read side by side, and handed on in the order of their plan.

Why this can't deadlock: each chain has a lane of its own. The one at the head, whose
pages are being handed on, has the source's floor and so never waits below it. The others
have none: a page of each passes, as into any empty lane, and the rest comes out of the pool.
What they hold they hold until they are at the head, which they will be, because the head
never waits for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

import anyio
from anyio.abc import TaskGroup

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.errors import BronzeError, PageError
from bronze_engine.flow import Gate, Lane, ungrouped
from bronze_engine.sources.http.body.split import Lines
from bronze_engine.sources.http.chains.chain import Chain, Offer, Plan
from bronze_engine.sources.http.fetch import Page
from bronze_engine.sources.http.outlet import Dated, Sink
from bronze_engine.sources.http.paging.pager import Pager
from bronze_engine.sources.http.paging.pagers import SinglePager
from bronze_engine.sources.http.reading import FIRST_GUESS_BYTES, Reading
from bronze_engine.sources.http.resource import Resource

__all__ = ["Absent", "Convoy", "only", "parallel_of"]

_PARALLEL: Final = 64
"""Chains side by side where the API's concurrency is found out: its limiter bounds what is on
the wire."""

_MOST_ALIKE: Final = 3
"""A row comes with three steps at most: its own, and those on either side whose bounds are
rounded outwards."""

_OPEN_MULTIPLE: Final = 4
"""Chains that are open at once over those that are being read: small ones that were read
wait for a slow one before them, and others go on meanwhile."""


def parallel_of(config: HttpSourceConfig) -> int:
    """How many chains of a source are read side by side."""
    if config.parallel is not None:
        return config.parallel
    return config.api.concurrency if isinstance(config.api.concurrency, int) else _PARALLEL


@final
class Absent:
    """Chains whose first page was answered with 404, where that means no records."""

    def __init__(self) -> None:
        self._chains = 0
        self._absent = 0

    def count(self, *, is_absent: bool) -> None:
        """Count one chain."""
        self._chains += 1
        self._absent += is_absent

    def tell(self, resource: Resource) -> None:
        """Warn of them, where there were any."""
        if self._absent:
            resource.warn(
                f"{self._absent:,} of {self._chains:,} first pages were answered with 404, and "
                'count as empty (on_not_found = "empty")'
            )


@final
class Convoy:
    """Reads chains with the page machinery of one resource, at most `parallel` at once.

    `absent` counts over several readings, of which the last one tells; without it each does.
    `on_end` is told of each chain, in order, when its last page was handed on, and of how its
    records differ from what the server stated; it may raise. `floor_bytes` must be reserved.
    """

    def __init__(
        self,
        resource: Resource,
        sink: Sink,
        dated: Dated,
        *,
        parallel: int,
        floor_bytes: int,
        on_end: Callable[[Chain, str | None], None],
        absent: Absent | None = None,
    ) -> None:
        self._resource = resource
        self._sink = sink
        self._dated = dated
        self._parallel = parallel
        self._floor_bytes = floor_bytes
        self._on_end = on_end
        self._waits_for_date = resource.request.incremental is not None
        self._most_open = _OPEN_MULTIPLE * parallel
        self._page_bytes = FIRST_GUESS_BYTES
        self._open: deque[_Open] = deque()
        self._reading = 0
        self._came, self._room = Gate(), Gate()
        self._is_planned = False
        self._plan_error: Exception | None = None
        self._begins: tuple[Lines, ...] = ()
        self._alike = 0
        self._chains = 0
        self._absent = absent or Absent()
        self._tells = absent is None

    async def run(self, plan: Plan) -> None:
        """Read all chains that `plan` offers. The first fault in its order is raised."""
        rest: Chain | None = None
        self._reading, self._is_planned = 0, False
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._begin_all, plan, tasks)
                    rest = await self._hand_on_all()
                    if rest is not None:
                        tasks.cancel_scope.cancel()
        finally:
            for left in self._open:  # pages that nobody takes any more
                left.lane.add(-left.lane.held_bytes)
            self._open.clear()
        if rest is not None:
            await self.run(only(rest))
            return
        if self._plan_error is not None:
            raise self._plan_error
        if self._tells:
            self._absent.tell(self._resource)

    async def _begin_all(self, plan: Plan, tasks: TaskGroup) -> None:
        """Begin what the plan offers, as long as there is room."""

        async def offer(chain: Chain) -> None:
            while self._reading >= self._parallel or len(self._open) >= self._most_open:
                await self._room.wait()
            tasks.start_soon(self._read, self._opened(chain))

        try:
            await plan(offer)
        except Exception as exc:  # noqa: BLE001  # raised after the chains before it
            self._plan_error = exc
        self._is_planned = True
        self._came.open()

    async def _hand_on_all(self) -> Chain | None:
        """Hand on in the plan's order; ends early at a chain without records that has a `rest`,
        and returns that."""
        while self._open or not self._is_planned:
            if not self._open:
                await self._came.wait()
                continue
            one = self._open[0]
            await self._hand_on(one)
            self._open.popleft()
            self._room.open()
            if one.chain.rest is not None and not one.records:
                return one.chain.rest
        return None

    def _opened(self, chain: Chain) -> _Open:
        one = _Open(chain, self._resource, self._page_bytes)
        one.is_first = self._chains == 0
        self._chains += 1
        self._open.append(one)
        self._reading += 1
        self._came.open()
        return one

    async def _read(self, one: _Open) -> None:
        try:
            if self._waits_for_date and not one.is_first:
                await self._dated.known()
            await one.reading.run(one.keep)
            self._page_bytes = one.reading.page_bytes
        except Exception as exc:  # noqa: BLE001  # raised in its turn
            one.error = exc
        one.is_done = True
        one.came.open()
        self._reading -= 1
        self._room.open()

    async def _hand_on(self, one: _Open) -> None:
        """Hand on the chain at the head, as its pages come."""
        one.lead(self._floor_bytes)
        while True:
            while one.pages:
                page = one.pages.popleft()
                one.left.open()
                self._refuse_the_same_again(one, page)
                self._dated.note(page.date)
                await self._sink.page(page, one.chain, None)
                one.lane.add(-page.split.size_bytes)
            if one.is_done:
                break
            await one.came.wait()
        if one.error is not None:
            raise _named(one.error, one.chain) from one.error.__cause__
        self._absent.count(is_absent=one.reading.is_missing)
        self._on_end(one.chain, one.pager.mismatch())

    def _refuse_the_same_again(self, one: _Open, page: Page) -> None:
        """Refuse steps without an end whose rows are always the same: they would never end."""
        if not one.records and one.chain.rest is not None and page.split.records:
            self._alike = self._alike + 1 if page.split.lines == self._begins else 1
            self._begins = page.split.lines
            if self._alike > _MOST_ALIKE:
                raise PageError(
                    f"{one.chain.label}: {self._alike} steps in a row begin with the same records: "
                    "the server ignores incremental.start_param or end_param; mend them, or "
                    "leave step out"
                )
        one.records += page.split.records


@final
class _Open:
    """A chain that is being read, or was read and waits for its turn."""

    def __init__(self, chain: Chain, resource: Resource, page_bytes: int) -> None:
        self.chain = chain
        self.pager: Pager = resource.pager() if chain.url is None else SinglePager(url=chain.url)
        self.lane = Lane(resource.resources.budget, 0)
        self.reading = Reading(
            self.pager,
            resource.fetcher(chain, self.pager),
            self.lane,
            page_bytes=page_bytes,
            may_be_missing=resource.config.on_not_found == "empty",
        )
        self.pages: deque[Page] = deque()
        self.came, self.left = Gate(), Gate()
        self.records = 0
        """Those that were handed on."""
        self.error: Exception | None = None
        self.is_first = False
        self.is_done = False
        self._is_head = False

    def lead(self, floor_bytes: int) -> None:
        """Be the head: with the floor that the head has."""
        self._is_head = True
        self.lane.set_floor(floor_bytes)

    async def keep(self, page: Page) -> None:
        """Take a page of this chain; at the head, no more than one beyond what is handed on."""
        self.lane.add(page.split.size_bytes)
        self.pages.append(page)
        self.came.open()
        while self._is_head and self.pages:
            await self.left.wait()


def only(chain: Chain) -> Plan:
    """The plan of a source that is one chain."""

    async def plan(offer: Offer) -> None:
        await offer(chain)

    return plan


def _named(error: Exception, chain: Chain) -> Exception:
    """The error with the chain that it came from."""
    if isinstance(error, BronzeError) and chain.label:
        return type(error)(f"{chain.label}: {error.message}", **error.context)
    return error
