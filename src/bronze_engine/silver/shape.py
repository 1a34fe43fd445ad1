"""What one Silver table is: its configuration, resolved against the columns of its Bronze."""

from __future__ import annotations

from typing import Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.model.manifest import Load

__all__ = [
    "BRONZE_DATE",
    "CURRENT",
    "DELETED",
    "DELETED_AT",
    "DELETED_DATE",
    "FROM",
    "IS_DELETE",
    "PART",
    "ROW",
    "TO",
    "Shape",
]

# Columns of the table that are ours.
FROM: Final = "effective_from"
TO: Final = "effective_to"
CURRENT: Final = "is_current"
DELETED: Final = "is_deleted"
DELETED_AT: Final = "deleted_at"
BRONZE_DATE: Final = "_bronze_date"
"""The run date of the partition that a row's values come from."""
DELETED_DATE: Final = "_deleted_date"
"""Of a deleted row of a current table: the run date of the partition that deleted it."""

# Columns that only records have.
IS_DELETE: Final = "_is_delete"
PART: Final = "_bronze_part"
"""Number of the data file in its manifest's list, from 0."""
ROW: Final = "_bronze_row"
"""Number of the row in its file, from 0."""


@final
class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the SQL of one table is made from."""

    kind: Literal["state", "event"]
    history: Literal["current", "full"]
    deletes: Literal["ignore", "tombstone", "hard"]
    load: Load
    """Of the newest Bronze partition. "full": each date is a snapshot, and replaces what was
    before; else dates add records, or changes."""
    columns: pa.Schema
    """Of the table without ours: renamed, cast, in order."""
    keys: tuple[str, ...]
    """May be empty for events: each record is one then."""
    order: tuple[str, ...]
    """May be empty: the order in which records landed."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the record's own columns."""
        return tuple(self.columns.names)

    @property
    def values(self) -> tuple[str, ...]:
        """Those that are no keys."""
        return tuple(name for name in self.names if name not in self.keys)

    @property
    def is_snapshot(self) -> bool:
        """Whether a date replaces what earlier ones held; events only ever add up."""
        return self.load == "full" and self.kind == "state"

    @property
    def sees_deletes(self) -> bool:
        return self.kind == "state" and self.deletes != "ignore"
