"""Texts as indices into the few that a column has, where they are read so from Parquet.

As values each would be copied, and hashed to become an index again. What is written is the same
either way: a row group lists its texts in the order in which its rows have them, and no others.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.model.arrow import Array, DataType

__all__ = ["INDICES", "is_indices", "listed_anew", "read_as_indices", "with_indices", "with_texts"]

INDICES: Final = pa.dictionary(pa.int32(), pa.string())
_LENGTH_BYTES: Final = 4
"""Before each text that is no index."""


def is_indices(kind: DataType) -> bool:
    """Whether a column of this type holds its texts as indices."""
    return bool(kind == INDICES)


def read_as_indices(metadata: pq.FileMetaData, schema: pa.Schema) -> list[str]:
    """The columns of a file that `read_dictionary` gives as they are stored: texts whose chunks
    are all indices. Of others Arrow would hash each value."""
    places = {metadata.schema.column(n).path: n for n in range(metadata.num_columns)}
    texts = [field.name for field in schema if field.type == pa.string() and "." not in field.name]
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    return [
        name
        for name in texts
        if name in places and all(_has_indices(group.column(places[name])) for group in groups)
    ]


def _has_indices(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether most values of a column chunk are."""
    most: int = _LENGTH_BYTES * chunk.num_values
    return bool(chunk.has_dictionary_page and chunk.total_uncompressed_size < most)


def with_indices(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """The schema of tables that have indices in these columns."""
    fields = [field.with_type(INDICES) if field.name in names else field for field in schema]
    return pa.schema(fields, schema.metadata)  # type: ignore[arg-type]  # bytes they are


def with_texts(table: pa.Table, *, but: Collection[str] = ()) -> pa.Table:
    """The table with values in place of indices, in all columns `but` some."""
    for place, field in enumerate(table.schema):
        if is_indices(field.type) and field.name not in but:
            texts = table.column(place).cast(pa.string())
            table = table.set_column(place, field.with_type(pa.string()), texts)
    return table


def listed_anew(column: pa.ChunkedArray[Any]) -> Array:
    """A column of indices or of texts as indices into the texts of its own rows, in the order in
    which these come: as Parquet's writer lists them."""
    if not is_indices(column.type):
        return column.combine_chunks().dictionary_encode()
    whole: Array = column.unify_dictionaries().combine_chunks()
    known = pc.unique(whole.indices.drop_null())
    places = np.frombuffer(known.buffers()[1], np.int32, len(known), 4 * known.offset)
    order = np.arange(len(places), dtype=np.int32)
    if len(known) == len(whole.dictionary) and np.array_equal(places, order):
        return whole
    anew = np.zeros(len(whole.dictionary), np.int32)
    anew[places] = order
    indices = _int32(anew).take(whole.indices)
    return pa.DictionaryArray.from_arrays(indices, whole.dictionary.take(known))


def _int32(values: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Array:
    """Without `pa.array`, which imports pandas wherever it is installed."""
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values.tobytes())])
