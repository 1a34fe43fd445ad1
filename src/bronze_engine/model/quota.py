"""What a server says is left of one of its limits."""

from __future__ import annotations

import msgspec

__all__ = ["Quota"]


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, as the headers of an answer tell of it."""

    name: str = ""
    """Tells several limits of one server apart."""
    remaining: float
    """Requests that may still be sent before the reset."""
    limit: float | None = None
    """Requests of a whole window, where the server says so."""
    reset_seconds: float
    """From the answer on until the whole limit is there again."""
    refill_per_second: float | None = None
    """Where requests come back one by one (a leaky bucket), and not all at the reset."""
