"""What may stand in a body where records are looked for."""

from __future__ import annotations

from typing import Final

import msgspec

from bronze_engine.sources.http.body.raw import Body, kind_of, members_of

__all__ = ["ABSENT_MEANS", "FAULTS", "Expected"]

ABSENT_MEANS: Final = '; absent_records = "empty" takes that for no records'
"""For messages."""

FAULTS: Final = ("error", "errors")
"""Members of a body by which servers say that something is wrong, whatever the status says."""
_NO_FAULT: Final = (b"null", b"[]", b"{}", b'""', b"false")


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A list of records, and what else is right in its place."""

    is_null_empty: bool = False
    """A null means no records."""
    is_absent_empty: bool = False
    """A name that is not there means no records."""
    is_single: bool = False
    """An object is there, and is the one record."""

    def takes_absence(self, body: Body, *above: Body) -> bool:
        """Whether it means no records that a name is not in the values `above`.

        Not in a body that speaks of errors: many APIs answer 200 with those alone.
        """
        if not self.is_absent_empty:
            return False
        if any(kind_of(value) not in ("an object", "null") for value in above):
            return False
        members = members_of(body) or {}
        return all(bytes(members.get(name, b"null")) in _NO_FAULT for name in FAULTS)
