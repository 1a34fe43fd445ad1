"""A captured page: one response as the source sent it, kept so that it can be decoded again."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bronze_engine.model.window import Bounds

__all__ = ["CapturedPage", "PageHead"]


class PageHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One response without its body, and all that its decoding needs beside the configuration."""

    page: int
    """Its number within its chain, from 1: what the blocks and rejects of it carry."""
    chain: str = ""
    """The chain that it belongs to, as messages name it; empty where a source has one alone."""
    status: int
    url: str
    """Where it came from, without secrets."""
    fetched_at: datetime
    """When it was whole, by our clock; aware."""
    as_of: datetime | None = None
    """The source's clock by which the window of its rows ends: `Block.as_of`."""
    bounds: Bounds | None = None
    """The step of the window that its rows were asked for in: `Block.bounds`."""
    headers: dict[str, str] = {}
    """Content-Type, Link and Date, names in lower case; none that carries a credential."""
    carried: tuple[tuple[str, ...], str] | None = None
    """Members that its records take from elsewhere (the parent record): their names, and their
    JSON text as it stands between an object's braces."""
    taken: int | None = None
    """How many of its records were taken, from the first; None for all of them."""


class CapturedPage(PageHead, frozen=True, kw_only=True):
    """The whole response."""

    body: bytes
    """Decompressed, to the byte."""
