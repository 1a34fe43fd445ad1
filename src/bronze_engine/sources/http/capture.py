"""What is kept of an answer, so that it can be decoded again: its bytes, and no credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bronze_engine.model.page import CapturedPage
from bronze_engine.sources.http.body.blocks import Members
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.paging.pager import Ask
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.wire.client import Answer

__all__ = ["capture"]

_KEPT: Final = ("content-type", "link", "date")
_LINK: Final = re.compile(r"<([^>]*)>")


def capture(
    ask: Ask, answer: Answer, split: Split, target: Target, carried: Members, now: datetime
) -> CapturedPage:
    """One page as it is stored: numbered within its chain, by a shape that keeps bodies.

    Its URL and its links have the parameters of the paginator and of the window; the values
    of all others are masked, and so is every secret that stands anywhere in them.
    """
    return CapturedPage(
        page=ask.number,
        status=answer.status,
        url=target.scrub(target.shown(ask)),
        fetched_at=now,
        headers=_headers(answer.headers, target),
        carried=(carried.names, carried.text.decode()) if carried.names else None,
        body=b"" if split.body is None else bytes(split.body),
    )


def _headers(headers: Mapping[str, str], target: Target) -> dict[str, str]:
    def masked(link: re.Match[str]) -> str:
        return f"<{target.shown(Ask(number=1, url=link[1]))}>"

    kept = {name: headers[name] for name in _KEPT if name in headers}
    if "link" in kept:
        kept["link"] = _LINK.sub(masked, kept["link"])
    return {name: target.scrub(value) for name, value in kept.items()}
