"""The HTTP source: an API's pages as blocks of JSON lines."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, final

import msgspec

from bronze_engine.config.paginator import NoPaginator
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import (
    AuthError,
    ExtractError,
    PageError,
    SliceLost,
)
from bronze_engine.flow import Lane
from bronze_engine.limits.retry import Transient
from bronze_engine.model.slice import Slice
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.fetch import Fetcher
from bronze_engine.sources.http.paging.pager import Pager
from bronze_engine.sources.http.paging.pagers import make_pager
from bronze_engine.sources.http.reading import Reading
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import parse_origin
from bronze_engine.sources.http.wire.client import Client, open_client
from bronze_engine.telemetry.redact import redact_url

__all__ = ["HttpSource", "HttpSourceType"]

logger = logging.getLogger(__name__)

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

    def floor_bytes(self, config: HttpSourceConfig, /) -> int:
        """Several usual pages; a larger one passes alone."""
        return _floor_bytes(config)


def _floor_bytes(config: HttpSourceConfig) -> int:
    return min(_FLOOR_BYTES, max(1, config.max_page_bytes))


@asynccontextmanager
async def _open(
    config: HttpSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    client = await resources.share(f"http:{config.api.name}", lambda: open_client(config.api))
    yield HttpSource(config, request, resources, client)


@final
class HttpSource:
    """One run's reading of one resource of an API: a single slice, all pages in order."""

    def __init__(
        self, config: HttpSourceConfig, request: Request, resources: Resources, client: Client
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        home = client.credentials.origin
        self._allowed = {home, *map(parse_origin, config.api.allowed_origins)}
        pager = self._pager()
        self._target = Target(config, request, client.credentials, pager.params)
        shape = Shape(
            config.records, tuple(dict.fromkeys(pager.fields)), null_records=config.null_records
        )
        self._fetcher = Fetcher(config, resources, client, self._target, shape)
        self._rereads = 0

    def _pager(self) -> Pager:
        return make_pager(
            self._config.paginator,
            warn=self._warn,
            is_allowed=self._allowed.__contains__,
        )

    def _warn(self, message: str) -> None:
        logger.warning("%s: %s", self._request.pipeline, message)
        self._resources.tally.warn(message)

    @property
    def token(self) -> None:
        """Pages can't be resumed: they begin afresh."""
        return

    def preview(self) -> Preview:
        shown = self._target.shown(self._pager().first())
        return Preview(
            location=self._target.location,
            first=f"{self._config.method} {shown}",
            slices=("all pages",),
        )

    async def check(self) -> str:
        """Ask for one page, once and as small as the paginator can say; tell what came."""
        first = self._pager().first()
        paginator = self._config.paginator
        if not isinstance(paginator, NoPaginator) and paginator.size_param is not None:
            small = {name: 1 for name in first.params if name == paginator.size_param}
            first = msgspec.structs.replace(first, params={**first.params, **small})
        try:
            answer, split = await self._fetcher.attempt(first)
            if split is None:
                split = await self._fetcher.split(answer)
        except Transient as exc:
            reason = f"{exc.reason}; check `base_url`, and that the server is up"
            raise self._fetcher.located(ExtractError(reason), first) from exc
        except (AuthError, ExtractError, PageError) as exc:
            raise self._fetcher.located(exc, first) from exc.__cause__
        stated = "".join(f", {path} = {_told(value)}" for path, value in split.fields.items())
        return (
            f"{self._target.location} answers {answer.status} with {split.records} records{stated}"
        )

    async def slices(self) -> AsyncIterator[Slice]:
        yield Slice(index=0, label="all pages")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:  # noqa: ARG002  # the only one
        """Read all pages.

        Raises SliceLost where the pages shifted while being read and `on_shift` is "retry".
        """
        while True:
            pager = self._pager()
            lane = Lane(self._resources.budget, _floor_bytes(self._config))
            reading = Reading(pager, self._fetcher, self._request, self._resources, lane)
            await reading.run(emit)
            mismatch = pager.mismatch()
            if mismatch is None:
                return None
            self._judge(mismatch, reading.emitted_records)
            if self._config.on_shift != "retry":
                return None

    def _judge(self, mismatch: str, emitted_records: int) -> None:
        """Follow `on_shift`. Returns where the reading stands, or may begin again."""
        if self._config.on_shift == "warn":
            self._warn(f"{mismatch}: the data changed while it was read")
            return
        if self._config.on_shift == "fail" or self._rereads >= _REREADS:
            again = f" in {self._rereads + 1} readings" if self._rereads else ""
            raise PageError(
                f"{self._target.location}: {mismatch}{again}: the data changed while it was read, "
                'or the total is wrong; run again, or set on_shift = "retry" or "warn"',
                url=self._target.location,
            )
        self._rereads += 1
        if emitted_records:
            raise SliceLost(f"{mismatch}: the data changed while it was read")

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)


def _told(value: object) -> str:
    """A control field for people: of links the parameters are masked, credentials among them."""
    return shown(redact_url(value) if isinstance(value, str) and "?" in value else value)
