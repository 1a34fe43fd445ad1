"""The HTTP source: an API's pages as blocks of JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, final

import msgspec

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Replayer, Request, Resources, Source
from bronze_engine.errors import (
    AuthError,
    ExtractError,
    PageError,
    SliceLost,
)
from bronze_engine.flow import Lane
from bronze_engine.limits.retry import Transient
from bronze_engine.model.slice import Slice
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.fetch import Page
from bronze_engine.sources.http.outlet import Dated, Outlet
from bronze_engine.sources.http.reading import Reading
from bronze_engine.sources.http.replay import HttpReplayer
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.wire.client import Client, open_client
from bronze_engine.telemetry.redact import redact_url

__all__ = ["HttpSource", "HttpSourceType"]

_FLOOR_BYTES: Final = 8 * 1024**2

_REREADS: Final = 2
"""How often pages that shifted are read again before it is a PageError."""


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
        """Several usual pages; a larger one passes alone."""
        return _floor_bytes(config)


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
    """One run's reading of one resource of an API: a single slice, its chains in order."""

    def __init__(
        self, config: HttpSourceConfig, request: Request, resources: Resources, client: Client
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._resource = Resource(config, request, resources, client)
        self._whole = self._resource.whole()
        self._rereads = 0

    @property
    def token(self) -> None:
        """Pages can't be resumed: they begin afresh."""
        return

    def preview(self) -> Preview:
        target = self._whole.target
        return Preview(
            location=target.location,
            first=f"{self._config.method} {target.shown(self._resource.pager().first())}",
            slices=("all pages",),
        )

    async def check(self) -> str:
        """Ask for one page, once and as small as the paginator can say; tell what came."""
        pager = self._resource.pager()
        fetcher = self._resource.fetcher(self._whole, pager)
        first = pager.first()
        small = {name: 1 for name in first.params if name in pager.sizes}
        first = msgspec.structs.replace(first, params={**first.params, **small})
        try:
            answer, split = await fetcher.admitted(lambda: fetcher.attempt(first))
            if split is None:
                split = await fetcher.split(answer)
        except Transient as exc:
            reason = f"{exc.reason}; check `base_url`, and that the server is up"
            raise fetcher.located(ExtractError(reason), first) from exc
        except (AuthError, ExtractError, PageError) as exc:
            raise fetcher.located(exc, first) from exc.__cause__
        stated = "".join(f", {path} = {_told(value)}" for path, value in split.fields.items())
        return (
            f"{self._whole.target.location} answers {answer.status} with {split.records} "
            f"records{stated}"
        )

    async def slices(self) -> AsyncIterator[Slice]:
        yield Slice(index=0, label="all pages")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:  # noqa: ARG002  # the only one
        """Read all pages.

        Raises SliceLost where the pages shifted while being read and `on_shift` is "retry".
        """
        while True:
            outlet = Outlet(self._request, self._resources, Dated(), emit)
            try:
                await self._read_chain(self._whole, outlet)
            except _Shifted as exc:
                if outlet.emitted_records:
                    raise SliceLost(str(exc)) from None
            else:
                return None

    async def _read_chain(self, chain: Chain, outlet: Outlet) -> None:
        pager = self._resource.pager()
        lane = Lane(self._resources.budget, _floor_bytes(self._config))

        async def hand_on(page: Page) -> None:
            await outlet.page(page, chain, pager.total)

        await Reading(pager, self._resource.fetcher(chain, pager), lane).run(hand_on)
        self._judge(chain, pager.mismatch())

    def _judge(self, chain: Chain, mismatch: str | None) -> None:
        """Follow `on_shift`. Returns where the reading stands, raises _Shifted to begin again."""
        if mismatch is None:
            return
        what = f"{mismatch}: the data changed while it was read"
        if self._config.on_shift == "warn":
            self._resource.warn(f"{chain.label}: {what}" if chain.label else what)
            return
        location = chain.target.location
        if self._config.on_shift == "fail" or self._rereads >= _REREADS:
            again = f" in {self._rereads + 1} readings" if self._rereads else ""
            raise PageError(
                f"{location}: {mismatch}{again}: the data changed while it was read, "
                'or the total is wrong; run again, or set on_shift = "retry" or "warn"',
                url=location,
            )
        self._rereads += 1
        raise _Shifted(what)

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)


@final
class _Shifted(Exception):
    """The pages shifted while they were read, and may be read again."""


def _told(value: object) -> str:
    """A control field for people: of links the parameters are masked, credentials among them."""
    return shown(redact_url(value) if isinstance(value, str) and "?" in value else value)
