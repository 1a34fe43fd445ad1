"""One resource of an API: what all chains of a source have in common."""

from __future__ import annotations

import logging
from typing import final

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Request, Resources
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.fetch import Fetcher
from bronze_engine.sources.http.paging.pager import Pager
from bronze_engine.sources.http.paging.pagers import make_pager
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import parse_origin
from bronze_engine.sources.http.wire.client import Client

__all__ = ["Resource"]

logger = logging.getLogger(__name__)


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
        pager = self.pager()
        self._paging = pager.params
        self._shape = Shape(
            config.records, tuple(dict.fromkeys(pager.fields)), null_records=config.null_records
        )

    def whole(self) -> Chain:
        """The source as one chain. Raises ConfigError for a template that has no value."""
        return Chain(target=self.target(self.request))

    def target(self, request: Request) -> Target:
        """What a chain asks for; `request` has the bounds of its window."""
        return Target(self.config, request, self.client.credentials, self._paging)

    def pager(self) -> Pager:
        return make_pager(
            self.config.paginator,
            warn=self.warn,
            is_allowed=self._allowed.__contains__,
        )

    def fetcher(self, chain: Chain) -> Fetcher:
        return Fetcher(self.config, self.resources, self.client, chain.target, self._shape)

    def warn(self, message: str) -> None:
        """Tell of what is odd: in the log, and in the report; the same text once."""
        if message not in self.resources.tally.warnings:
            logger.warning("%s: %s", self.request.pipeline, message)
            self.resources.tally.warn(message)
