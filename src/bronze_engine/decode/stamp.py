"""The columns that the engine adds to each row."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
import pyarrow as pa

from bronze_engine.model.arrow import DataType, scalar

__all__ = ["Stamps", "stamp", "stamped_schema"]


class Stamps(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of one run; None leaves a column out."""

    load_date: date | None = None
    system: str | None = None
    entity: str | None = None
    extracted_at: datetime | None = None
    """Aware. When the run began; kept by a resumed run."""

    def columns(self) -> list[tuple[str, date | str | datetime, DataType]]:
        """Name, value and type of each column that is added, in order."""
        return [
            (name, value, kind)
            for name, value, kind in (
                ("_load_date", self.load_date, pa.date32()),
                ("_source_system", self.system, pa.string()),
                ("_source_entity", self.entity, pa.string()),
                ("_extracted_at", self.extracted_at, pa.timestamp("us", "UTC")),
            )
            if value is not None
        ]


def stamped_schema(schema: pa.Schema, stamps: Stamps) -> pa.Schema:
    """The schema of what `stamp` gives."""
    added = [pa.field(name, kind) for name, _, kind in stamps.columns()]
    return pa.schema([*schema, *added])


def stamp(table: pa.Table, stamps: Stamps) -> pa.Table:
    """The table with a constant column for each stamp, after its own columns.

    Plain strings, not dictionaries: readers give back what the schema says, and under
    Parquet's own dictionary a constant takes a few bytes a row group.
    """
    for name, value, kind in stamps.columns():
        column = pa.repeat(scalar(value, kind), table.num_rows)
        table = table.append_column(pa.field(name, kind), column)
    return table
