"""[pipelines.….source] of type "adbc": a table or a query of any database with a driver."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bronze_engine.config.connection import AdbcConnection

__all__ = ["AdbcSourceConfig"]


class AdbcSourceConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="adbc"
):
    """A table or a query of a database that has an ADBC driver.

    Templates ({run_date}, {run_date:%Y%m%d}, {low}, {high}) work in query and where: they are
    bound as parameters.
    """

    connection: AdbcConnection
    """In TOML the name of an entry of [connections]; replaced by that entry on loading."""
    table: str | None = None
    """A table or view: orders, main.orders, "Odd Name"."T"."""
    query: str | None = None
    """A SELECT, in place of a table."""
    columns: list[str] = []
    """What to take, in this order; where empty all columns."""
    where: str | None = None
    """A condition in SQL: only rows that meet it."""
    batch_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Rows that the driver is asked to hand on at once; only SQLite's can be asked, and hands on
    1,024 where this is unset."""
