"""One thing to read: a file, or a member of an archive."""

from __future__ import annotations

import re

import msgspec

from bronze_engine.sources.files.archive import Member
from bronze_engine.sources.files.places.place import Found, Place

__all__ = ["Entry"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to read: a file, or a member of an archive."""

    place: Place
    found: Found
    """The file, or the archive that the member is of."""
    member: Member | None = None

    @property
    def path(self) -> str:
        """For people and manifests, without secrets."""
        member = self.member
        return self.found.path if member is None else f"{self.found.path}!{member.name}"

    @property
    def name(self) -> str:
        """The last part of the path, without what a URL has behind it."""
        path = self.found.path.partition("?")[0] if self.member is None else self.member.name
        return path.rpartition("/")[2]

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Where a pattern is found in the name: in a member's, or else in its archive's."""
        found = pattern.search(self.name)
        if found is None and self.member is not None:
            found = pattern.search(Entry(place=self.place, found=self.found).name)
        return found

    @property
    def size_bytes(self) -> int:
        """As stored; 0 where nobody tells."""
        return self.found.size_bytes or 0 if self.member is None else self.member.packed_bytes

    @property
    def version(self) -> str | None:
        """A member's is its checksum: it stays when the archive is packed anew."""
        member = self.member
        return self.found.version if member is None else f"crc32:{member.crc32:08x}"
