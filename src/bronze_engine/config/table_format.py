"""What of [output] makes a table of the data files for engines that open no manifest."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["TableFormat", "TableOutput"]

TableFormat = Literal["delta", "iceberg"]


class TableOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table over the files, and how long superseded ones stay for its readers."""

    table_format: TableFormat | None = None
    """A table that Spark, Trino, DuckDB and Snowflake read, committed after the data: "delta" lies
    in the folder of the files, "iceberg" in a catalog. Each needs the extra of its name."""
    catalog: str | None = None
    """Of "iceberg": a name of [catalogs]."""
    table: str | None = None
    """Of "iceberg": "namespace.name"; where unset the system and the entity, of Silver
    with `_silver` behind it."""
    reap: Literal["now", "next_run"] | None = None
    """When the files of a generation are removed that another has replaced: at once, or by the
    run that replaces that one, so that long readers come to their end. Where unset "now"; with
    `table_format` "next_run", and nothing else."""

    @property
    def keeps_superseded(self) -> bool:
        """Whether the files of the generation before stay until the run after."""
        return self.reap == "next_run" or (self.reap is None and self.table_format is not None)
