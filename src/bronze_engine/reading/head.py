"""The first rows of a partition, out of as little of its files as that takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.nearest import nearest
from bronze_engine.reading.handler import CommittedFiles

__all__ = ["chosen_schema", "first_rows"]

_BUFFER_BYTES: Final = 64 * 1024
"""A column chunk is read so far ahead of its first pages, and no further."""


def first_rows(
    handler: CommittedFiles, manifest: Manifest, rows: int, columns: Sequence[str] | None
) -> pa.Table:
    """The first `rows` rows in the manifest's order, with NULL where a file lacks a column.

    Raises ConfigError for a column that there is not.
    """
    chosen = chosen_schema(manifest, columns)
    # What a file lacks is NULL, whatever the column allows.
    schema = pa.schema([field.with_nullable(True) for field in chosen])
    found: list[pa.RecordBatch] = []
    left = rows
    for path in handler.paths:
        if left <= 0:
            break
        for batch in _batches(handler, path, schema, left):
            piece = batch.slice(0, left)
            found.append(_filled(piece, schema))
            left -= piece.num_rows
            if left <= 0:
                break
    return pa.Table.from_batches(found, schema)


def chosen_schema(manifest: Manifest, columns: Sequence[str] | None) -> pa.Schema:
    """The partition's columns, or those that are asked for, in that order. Raises ConfigError."""
    schema = schema_from_text(manifest.arrow_schema) if manifest.arrow_schema else pa.schema([])
    if columns is None:
        return schema
    for name in columns:
        if name not in schema.names:
            hint = nearest(name, schema.names, write=repr)
            raise ConfigError(f"there is no column {name!r}; {hint}")
    return pa.schema([schema.field(name) for name in columns])


def _batches(
    handler: CommittedFiles, path: str, schema: pa.Schema, rows: int
) -> Iterator[pa.RecordBatch]:
    with handler.open_input_file(path) as source, handler.decoding(pa.ArrowInvalid):
        file = pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        names = [name for name in file.schema_arrow.names if name in schema.names]
        yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)


def _filled(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays: list[Any] = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            arrays.append(batch.column(at).cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
