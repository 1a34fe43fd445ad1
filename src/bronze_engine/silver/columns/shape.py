"""What one Silver table is: its configuration, resolved against the columns of its Bronze."""

from __future__ import annotations

from typing import Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.model.manifest import Load
from bronze_engine.model.silver_columns import (
    BRONZE_DATE,
    CURRENT,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    FROM,
    IS_DELETE,
    PART,
    ROW,
    TO,
)

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
