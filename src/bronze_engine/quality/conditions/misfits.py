"""What did not fit its column: NULL there, and JSON text in the column beside it."""

from __future__ import annotations

import pyarrow as pa

from bronze_engine.model.arrow import Array
from bronze_engine.model.layout import Column

__all__ = ["misfits_of"]


def misfits_of(batch: pa.RecordBatch, name: str) -> Array | None:
    """The texts of the values that a column could not hold, NULL in other rows; None where all
    of the batch's fit."""
    for place, field in enumerate(batch.schema):
        if field.metadata and Column.parse(field).of == name:
            beside: Array = batch.column(place)
            return beside if beside.null_count < len(beside) else None
    return None
