"""The HTTP source: an API's pages as blocks of JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, final

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Replayer, Request, Resources, Source
from bronze_engine.errors import SliceLost
from bronze_engine.flow import Lane
from bronze_engine.model.slice import Slice
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.chains.children import Children
from bronze_engine.sources.http.chains.convoy import Absent, Convoy, parallel_of
from bronze_engine.sources.http.chains.windows import Place, Windows, place_of
from bronze_engine.sources.http.export.files import ExportFiles
from bronze_engine.sources.http.fetch import Page
from bronze_engine.sources.http.outlet import Dated, Outlet
from bronze_engine.sources.http.reading import Reading
from bronze_engine.sources.http.replay import HttpReplayer
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.sample import sample
from bronze_engine.sources.http.shifts import Shifted, Shifts
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.wire.client import Client, open_client
from bronze_engine.telemetry.redact import redact_url

__all__ = ["HttpSource", "HttpSourceType"]

_FLOOR_BYTES: Final = 8 * 1024**2


@final
class HttpSourceType:
    """`type = "http"`."""

    def open(
        self, config: HttpSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open one run's reading of an API. Sends nothing.

        Raises ConfigError for a URL, header, proxy, certificate file or template that
        can't be used.
        """
        return _open(config, request, resources)

    def replayer(
        self, config: HttpSourceConfig, request: Request, resources: Resources, /
    ) -> Replayer:
        """What cuts captured pages into records again; it has no client."""
        return HttpReplayer(config, request, resources)

    def floor_bytes(self, config: HttpSourceConfig, /) -> int:
        """Several usual pages, of its parents too; a larger one passes alone."""
        above = 0 if config.parent is None else self.floor_bytes(config.parent.source)
        return _floor_bytes(config) + above

    def slices_at_once(self, _config: HttpSourceConfig, /) -> int:
        """One: the layout of each slice begins where the one before left it."""
        return 1


def _floor_bytes(config: HttpSourceConfig) -> int:
    return min(_FLOOR_BYTES, max(1, config.max_page_bytes))


@asynccontextmanager
async def _open(
    config: HttpSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    client = await resources.share(
        f"http:{config.api.name}",
        lambda: open_client(config.api, resources.open_auth, resources.clock, resources.hide),
    )
    yield HttpSource(config, request, resources, client)


@final
class HttpSource:
    """One run's reading of one resource of an API: its chains in order, all of them in one slice
    but for the steps of a window."""

    def __init__(
        self, config: HttpSourceConfig, request: Request, resources: Resources, client: Client
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._resource = Resource(config, request, resources, client)
        self._shifts = Shifts()
        self._absent = Absent()
        self._whole: Chain | None = None
        self._windows: Windows | None = None
        self._many: Children | ExportFiles | Windows
        incremental = request.incremental
        if config.parent is not None:
            self._many = Children(self._resource, config.parent)
        elif config.export is not None:
            self._many = ExportFiles(self._resource, config.export)
        elif incremental is not None and incremental.step is not None:
            self._many = self._windows = Windows(self._resource, incremental)
        else:
            self._whole = self._resource.whole()

    @property
    def token(self) -> str | None:
        """Of steps whose bounds are known. Other pages can't be resumed: they begin afresh."""
        return None if self._windows is None else self._windows.token

    def preview(self) -> Preview:
        if self._whole is None:
            return self._many.preview()
        target = self._whole.target
        return Preview(
            location=target.location,
            first=f"{self._config.method} {target.shown(self._resource.pager().first())}",
            slices=("all pages",),
        )

    async def check(self) -> str:
        """Ask for one page, once and as small as the paginator can say; tell what came.

        Of parents one page is asked for, too. An export is not: it would have to be made.
        """
        chain = await self._many.first() if self._whole is None else self._whole
        if chain is None:
            return f"{self.preview().location} was not asked: there is nothing to ask it for yet"
        answer, split = await sample(self._resource, chain)
        stated = "".join(f", {path} = {_told(value)}" for path, value in split.fields.items())
        return (
            f"{chain.target.location} answers {answer.status} with {split.records} records{stated}"
        )

    async def slices(self) -> AsyncIterator[Slice]:
        if self._windows is not None:
            yield self._windows.slice_at(0, Place())
        else:
            yield Slice(index=0, label="all pages")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Read the chains of a slice; of steps it returns those that come next.

        Raises SliceLost where the pages shifted while being read and `on_shift` is "retry".
        """
        place = Place() if self._windows is None else place_of(piece)
        while True:
            dated = Dated(self._request, self._resources)
            if place.is_dated:
                dated.know(place.as_of)
            outlet = Outlet(self._request, self._resources, dated, emit, pages=place.pages)
            try:
                if self._whole is not None:
                    await self._read_whole(self._whole, outlet)
                else:
                    await self._read_many(piece, outlet, dated)
            except Shifted as exc:
                if outlet.emitted_records or self._config.capture is not None:
                    raise SliceLost(str(exc)) from None
                continue
            following = None
            if self._windows is not None:
                following = self._windows.following(piece, outlet.pages, dated)
            if following is None:
                self._absent.tell(self._resource)
                self._warn_of_absence(outlet)
            return following

    def _warn_of_absence(self, outlet: Outlet) -> None:
        """A path that is wrong reads as one where nothing is, if that means no records."""
        is_taken = self._config.absent_records == "empty"
        if is_taken and outlet.has_missing and not outlet.emitted_records:
            self._resource.warn(
                f"no page has anything at records {self._config.records!r}, which absent_records "
                "takes for none; if there should be some, mend the path"
            )

    async def _read_whole(self, chain: Chain, outlet: Outlet) -> None:
        pager = self._resource.pager()

        async def hand_on(page: Page) -> None:
            await outlet.page(page, chain, pager.total)

        reading = Reading(
            pager,
            self._resource.fetcher(chain, pager),
            Lane(self._resources.budget, _floor_bytes(self._config)),
            may_be_missing=self._config.on_not_found == "empty",
        )
        await reading.run(hand_on)
        if reading.is_missing:
            self._resource.warn(f"{chain.target.location} was not found, and counts as empty")
        self._shifts.judge(self._resource, chain, pager.mismatch())

    async def _read_many(self, piece: Slice, outlet: Outlet, dated: Dated) -> None:
        floor, many = _floor_bytes(self._config), self._many
        convoy = Convoy(
            self._resource,
            outlet,
            dated,
            parallel=parallel_of(self._config),
            floor_bytes=floor,
            on_end=partial(self._shifts.judge, self._resource),
            absent=self._absent,
        )
        if isinstance(many, Windows):
            await convoy.run(many.plan(piece))
        else:
            await convoy.run(many.plan(dated, self._shifts, floor))

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)


def _told(value: object) -> str:
    """A control field for people: of links the parameters are masked, credentials among them."""
    return shown(redact_url(value) if isinstance(value, str) and "?" in value else value)
