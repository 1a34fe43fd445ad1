"""Files of a source that have landed: what a manifest remembers of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

__all__ = ["LandedBefore", "LandedFile"]


class LandedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a run has landed, by the path, size and hash that it had then."""

    path: str
    """Without secrets; a member of a ZIP archive as `archive.zip!member.csv`."""
    size_bytes: int
    """As stored."""
    modified: datetime | None = None
    version: str | None = None
    """An ETag or the like, where the place has one."""
    sha256: str
    """Of the bytes as they are stored; of a member's as they are unpacked."""


class LandedBefore(msgspec.Struct, frozen=True, kw_only=True):
    """What the dates of an entity's epoch have landed, by path."""

    here: Mapping[str, LandedFile]
    """The date that is run again; nothing where it was not run yet."""
    elsewhere: Mapping[str, LandedFile]
    """All other dates: the newest that has a path."""
    is_newest: bool
    """Whether no later date is committed: then files that appear late land here."""
    floor: str | None = None
    """The watermark that a person has set last: what lies below has been left out."""
    removed_below: str | None = None
    """Where the oldest window of a chain begins that is still there: what lies at or below had
    landed on dates that retention has removed."""
