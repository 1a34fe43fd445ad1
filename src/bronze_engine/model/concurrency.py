"""How many attempts were in flight at once, and why."""

from __future__ import annotations

import msgspec

__all__ = ["ConcurrencyChange", "ConcurrencyTrace"]


class ConcurrencyChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the limit; a climb from one number to another is a single one."""

    seconds: float
    """Since the run began."""
    limit: int
    reason: str
    """start, gain, no_gain, latency, failures, refused, retest: see `limits.adaptive`."""


class ConcurrencyTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of an API's group. Runs side by side share it, and its changes."""

    limit: int
    """What it was at the end."""
    is_found: bool
    """Whether it was searched for; otherwise it is the configured number."""
    changes: tuple[ConcurrencyChange, ...] = ()
    """The newest hundred since the run began, the oldest first."""
