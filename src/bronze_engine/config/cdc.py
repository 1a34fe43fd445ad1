"""[pipelines.….cdc]: what the rows of `load = "cdc"` did to their table."""

from __future__ import annotations

import msgspec

__all__ = ["Cdc"]


class Cdc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column that says what each change did, and its codes.

    The codes as they are written, compared as texts: of a column of numbers "2". By default
    those of Debezium (c, r, u, d), AWS DMS, Oracle GoldenGate and pgoutput (I, U, D), wal2json
    and Maxwell (insert, update, delete).
    """

    operation: str
    """Name of the column. A row that has none of the codes there goes to the quarantine."""
    insert: tuple[str, ...] = ("I", "c", "r", "insert")
    """A row that is new; Debezium's r is one that a snapshot has read."""
    update: tuple[str, ...] = ("U", "u", "update")
    """A row that has changed."""
    delete: tuple[str, ...] = ("D", "d", "delete")
    """A row that is gone; it lands as it comes, whatever of it is NULL."""
    order_by: tuple[str, ...] = ()
    """Columns whose values say which of two changes of one key is the later (a log sequence
    number). Recorded for Silver, and changes no row; where unset: the order of the files."""
