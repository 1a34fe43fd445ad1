"""What the rows of `load = "cdc"` did: counts, and what reads them."""

from __future__ import annotations

import msgspec

__all__ = ["ChangeCounts", "Changes"]


class ChangeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows did what."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(
            inserts=self.inserts + other.inserts,
            updates=self.updates + other.updates,
            deletes=self.deletes + other.deletes,
        )


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """For Silver: what each row of a partition means, and which comes after which."""

    operation: str
    """The column, as it landed."""
    insert: tuple[str, ...]
    update: tuple[str, ...]
    delete: tuple[str, ...]
    """The codes, as text."""
    order_by: tuple[str, ...] = ()
    """Columns that say which of two changes of one key is the later; none: the order of the
    files, and within each of its rows."""
    counts: ChangeCounts = ChangeCounts()
