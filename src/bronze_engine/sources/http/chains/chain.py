"""A chain: one sequence of pages with a target and a pager of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from bronze_engine.model.window import Bounds
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.target import Target

__all__ = ["Chain", "Offer", "Plan"]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for page by page: a whole source, a time window, a parent's children."""

    target: Target
    label: str = ""
    """What a person reads in messages, "" where the source is this one chain."""
    carried: Members = NO_MEMBERS
    """What each of its records gets from the parent's."""
    bounds: Bounds | None = None
    """The step of the window that it is asked for: what is outside comes with another one."""
    rest: Chain | None = None
    """Read in its place where it has no records, and then nothing that comes after it."""
    url: str | None = None
    """Where the server has named its only page: a file of an export."""


Offer = Callable[[Chain], Awaitable[None]]
"""Hands a chain over to be read; waits while enough of them are open: this is the backpressure."""

Plan = Callable[[Offer], Awaitable[None]]
"""Offers the chains of a source in order, lazily."""
