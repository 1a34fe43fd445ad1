"""The committed manifests around a date."""

from __future__ import annotations

import msgspec

from bronze_engine.model.manifest import Manifest

__all__ = ["Neighbours"]


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The committed manifests on both sides of a run date, and its own; void ones are absent."""

    earlier: Manifest | None = None
    """The newest of all earlier dates."""
    own: Manifest | None = None
    later: Manifest | None = None
    """The oldest of all later dates."""
    last: Manifest | None = None
    """The newest of all dates, which is of the newest epoch."""
