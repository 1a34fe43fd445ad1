"""One resource of an API: what all chains of a source have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import final

from bronze_engine.config.http.paginator import Paginator
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import Values
from bronze_engine.contracts import Request, Resources
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.fetch import Fetcher, Settled
from bronze_engine.sources.http.paging.auto import AutoPager, chosen, told
from bronze_engine.sources.http.paging.detect import Candidate
from bronze_engine.sources.http.paging.pager import Ask, Pager
from bronze_engine.sources.http.paging.pagers import make_pager
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import parse_origin
from bronze_engine.sources.http.wire.client import Answer, Client

__all__ = ["Resource", "make_shape"]


def make_shape(
    config: HttpSourceConfig,
    request: Request,
    fields: Sequence[str] = (),
    *,
    last: str | None = None,
) -> Shape:
    """How the pages of a source are read, with the control fields that a pager needs."""
    return Shape(
        config.records,
        fields,
        null_records=config.null_records,
        absent_records=config.absent_records,
        single_record=config.single_record,
        envelope=config.envelope,
        record_set=config.record_set,
        record_kind=config.record_kind,
        record_keys=config.record_keys,
        form=config.format,
        csv=config.csv,
        types=request.schema.columns,
        last=last,
        keep_body=config.capture is not None,
        keep_originals=request.schema.raw or (request.keeps_records and config.format != "csv"),
    )


@final
class Resource:
    """Made once a source; gives each chain its target, its pager and its fetcher, all cheap."""

    def __init__(
        self, config: HttpSourceConfig, request: Request, resources: Resources, client: Client
    ) -> None:
        self.config = config
        self.request = request
        self.resources = resources
        self.client = client
        home = client.credentials.origin
        self._allowed = {home, *map(parse_origin, config.api.allowed_origins)}
        self._told: set[type[Paginator]] = set()
        """The kinds of paginators that were found, and told."""
        self._shapes: dict[tuple[tuple[str, ...], str | None], Shape] = {}
        pager = self.pager()
        self._paging = pager.params
        self._shape = self._shape_for(pager)

    def whole(self) -> Chain:
        """The source as one chain. Raises ConfigError for a template that has no value."""
        return Chain(target=self.target(self.request))

    def target(self, request: Request, fields: Values | None = None) -> Target:
        """What a chain asks for; `request` has the bounds of its window, `fields` are those
        of its parent or job."""
        return Target(self.config, request, self.client.credentials, self._paging, fields or {})

    def is_allowed(self, origin: str) -> bool:
        """Whether requests may go there; credentials go to the API's own origin alone."""
        return origin in self._allowed

    def pager(self, paginator: Paginator | None = None) -> Pager:
        """A pager for one reading of a chain: of the configuration, or of what was found."""
        return make_pager(
            paginator or self.config.paginator,
            records=self.config.records,
            warn=self.warn,
            is_allowed=self.is_allowed,
        )

    def fetcher(self, chain: Chain, pager: Pager) -> Fetcher:
        """What reads the pages that `pager` asks for."""
        settle = partial(self._settle, chain, pager) if isinstance(pager, AutoPager) else None
        return Fetcher(
            self.config,
            self.resources,
            self.client,
            chain.target,
            self._shape,
            chain.carried,
            settle,
        )

    def _shape_for(self, pager: Pager) -> Shape:
        """One for all chains that are paged alike: making it costs as much as many pages."""
        alike = tuple(dict.fromkeys(pager.fields)), pager.key
        shape = self._shapes.get(alike)
        if shape is None:
            shape = make_shape(self.config, self.request, alike[0], last=alike[1])
            self._shapes[alike] = shape
        return shape

    async def _settle(self, chain: Chain, auto: AutoPager, ask: Ask, answer: Answer) -> Settled:
        """Read on by the paginator that the first answer of a chain speaks of."""

        def judge() -> tuple[Paginator, Candidate]:
            limit = self.config.max_page_bytes
            return chosen(
                auto.config,
                inflate(answer.chunks, answer.encoding, limit),
                url=answer.url,
                headers=answer.headers,
                sent=chain.target.sent(ask),
                records=self.config.list_path,
            )

        paginator, why = await self.resources.workers.run(judge)
        if type(paginator) not in self._told:  # the size of a first page differs by chain
            self._told.add(type(paginator))
            self.warn(told(why))
        pager = self.pager(paginator)
        auto.settle(pager)
        return Settled(
            paginator=paginator,
            target=chain.target.paged_by(paginator, pager.params),
            shape=self._shape_for(pager),
        )

    def warn(self, message: str) -> None:
        """Tell of what is odd: in the log, and in the report; the same text once."""
        self.resources.tally.warn(message)
