"""Arrow's types within DuckDB, and back out of it to the last bit."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["restored"]


def restored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns as `schema` has them, by place; what can't be without loss raises."""
    if batch.num_columns != len(schema):
        raise RuntimeError(f"{batch.num_columns} columns came where {len(schema)} were asked for")
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
