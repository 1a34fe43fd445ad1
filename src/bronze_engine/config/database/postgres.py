"""[pipelines.….source] of type "postgres": a table or a query."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.connection import PostgresConnection

__all__ = ["OnSpecial", "PostgresSourceConfig"]

OnSpecial = Literal["fail", "null", "text"]
"""What becomes of a value that its column's Arrow type can't hold: NaN and infinity of numeric,
infinite dates and timestamps, 24:00:00."""


class PostgresSourceConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="postgres"
):
    """A table, a view or a query of a PostgreSQL database, read by COPY.

    Templates ({run_date}, {run_date:%Y%m%d}, {low}, {high}) work in query and where, as typed
    literals.
    """

    connection: PostgresConnection
    """In TOML the name of an entry of [connections]; replaced by that entry on loading."""
    table: str | None = None
    """A table, view or foreign table by SQL's rules: orders, public.orders, "Odd Name"."T"."""
    query: str | None = None
    """A SELECT, in place of a table."""
    columns: list[str] = []
    """What to take, in this order; where empty all columns."""
    omit: list[str] = []
    """What to leave."""
    rename: dict[str, str] = {}
    """What columns land as, where not as the database calls them: column = new name."""
    where: str | None = None
    """A condition in SQL: only rows that meet it."""
    reading: Literal["snapshot", "keyset"] = "snapshot"
    """"snapshot": all that a run reads is from one instant. "keyset": chunk after chunk by the
    cursor or the primary key, each in a transaction of its own, where a long snapshot is not
    welcome; rows that change meanwhile are read as they are then."""
    chunk_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Rows of one chunk of a keyset; where unset 200,000."""
    partition_column: str | None = None
    """A column to cut the reading by, into ranges of about as many rows each; where unset a
    table is cut by its blocks, and a query is not cut."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | Literal["auto"] = "auto"
    """Slices of a reading, each with files of its own; "auto": one for each GiB of a table."""
    parallel: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """Slices read side by side, each over a connection of its own; where unset half as many as
    this machine has cores, at least one and at most four: a slice keeps two of them busy."""
    on_special: OnSpecial = "fail"
    """"null": such a value lands as NULL, and the report counts them; "text": as it is printed,
    in the column `<column>__variant`."""
