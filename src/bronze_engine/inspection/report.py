"""What an inspection found. None of it holds a secret."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bronze_engine.inspection.columns import Column, Cursor

__all__ = ["Inspection", "PageSeen", "PaginatorFound"]


class PageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One page that was read."""

    records: int
    bytes_in: int


class PaginatorFound(msgspec.Struct, frozen=True, kw_only=True):
    """How one page leads to the next."""

    settings: dict[str, Any]
    """As [….source.paginator] has it."""
    confidence: Literal["configured", "confirmed", "certain", "likely", "guess"]
    """confirmed: it led to a second page with other records."""
    why: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What an API gives, and the configuration that lands it."""

    pipeline: str
    location: str
    """The URL without query."""
    status: int
    requests: int
    pages: tuple[PageSeen, ...]
    rows: int
    records: str | tuple[str, ...] | None
    """Where the records are; None: the body itself."""
    paginator: PaginatorFound
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    """The first records, a text for each column."""
    primary_key: str | None
    cursors: tuple[Cursor, ...]
    rate_limit: dict[str, str]
    """Headers of the last answer that speak of limits."""
    variables: tuple[str, ...] = ()
    """Variables of the environment that the TOML needs and that are not set."""
    notes: tuple[str, ...] = ()
    toml: str
    """What to paste into pipelines.toml."""
