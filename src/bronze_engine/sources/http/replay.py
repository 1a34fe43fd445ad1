"""Captured pages of an API, cut into records again by today's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Decoder, Request, Resources
from bronze_engine.model.block import Block
from bronze_engine.model.page import CapturedPage
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.body.page_blocks import blocks_of
from bronze_engine.sources.http.limited import first_records
from bronze_engine.sources.http.resource import make_shape

__all__ = ["HttpReplayer"]


@final
class HttpReplayer:
    """`contracts.Replayer`: without a client, so that nothing can be sent."""

    def __init__(self, config: HttpSourceConfig, request: Request, resources: Resources) -> None:
        self._request = request
        self._resources = resources
        self._shape = make_shape(config, request)

    def blocks(self, page: CapturedPage, /) -> Sequence[Block]:
        if page.status == 204:
            return ()
        carried = NO_MEMBERS
        if page.carried is not None:
            names, text = page.carried
            carried = Members(names, text.encode())
        split = self._shape.split(page.body, carried, page.headers.get("content-type", ""))
        if page.taken is not None:
            split = first_records(split, page.taken)
        return list(blocks_of(split, page=page.page, as_of=page.as_of, bounds=page.bounds))

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)
