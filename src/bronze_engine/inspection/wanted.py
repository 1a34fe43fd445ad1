"""What somebody asks to be inspected."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Wanted"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to be inspected. Headers and parameters may hold secrets."""

    url: str
    """A URL; with `api` also a path below its base_url."""
    api: str | None = None
    """An entry of [apis] whose address, credentials and limits are used."""
    name: str | None = None
    """`team.name` for the pipeline; None: from the URL."""
    headers: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    bearer_variable: str | None = None
    """The variable that holds the bearer token."""
    json: Any = None
    """The body of a POST; None: a GET."""
    records: str | None = None
