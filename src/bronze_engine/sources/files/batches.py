"""Batches on their way: cut into blocks, each a job for a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from bronze_engine.contracts import Emit
from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import Array, DataType, Field
from bronze_engine.model.block import Block
from bronze_engine.workers import Workers

__all__ = [
    "NO_COLUMN",
    "check_names",
    "check_rows",
    "hand_on",
    "only_columns",
    "reading_as",
    "without_dictionaries",
]

_BLOCK_BYTES: Final = 1024**2
_VIEWED: Final = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
"""What views are of."""


async def hand_on(
    batches: Iterator[pa.RecordBatch], number: int, emit: Emit, workers: Workers
) -> int:
    """Hand on what a blocking reader gives, one step a job; an empty batch brings its columns.

    Returns how many columns there are.
    """
    columns = offset = 0
    async with workers.iterate(batches) as stream:
        async for batch in stream:
            columns, size = batch.num_columns, batch.nbytes
            rows = max(1, batch.num_rows * _BLOCK_BYTES // max(1, size))
            for start in range(0, max(1, batch.num_rows), rows):
                piece = batch.slice(start, rows)
                await emit(
                    Block(batch=piece, records=piece.num_rows, page=number, offset=offset + start)
                )
            offset += batch.num_rows
    return columns


@contextmanager
def reading_as(form: str, path: str) -> Iterator[None]:
    """What Arrow says of a file that it can't read, as ExtractError."""
    try:
        yield
    except pa.ArrowNotImplementedError as exc:
        raise ExtractError(
            f"{path} holds what Arrow {pa.__version__} does not read: {exc}; write it"
            " as another type"
        ) from None
    except (pa.ArrowException, OSError) as exc:
        raise ExtractError(f"{path} can't be read as {form}: {exc}; fetch it again") from None


def check_names(names: Sequence[str], path: str) -> None:
    """Raise ExtractError for two columns of one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ExtractError(
            f"{path} has {Counter(names)[twice[0]]} columns called {twice[0]!r}; give each a name"
            " of its own"
        )


def check_rows(columns: int, rows: int, path: str) -> None:
    """Raise ExtractError for rows without a column: nobody knows what they were."""
    if rows and not columns:
        raise ExtractError(
            f"{path} has {rows:,} rows and no column; whatever wrote it has left all columns out:"
            " write it anew with them"
        )


NO_COLUMN: Final = "has no column, and so nothing to land"
"""What to warn of where there is no row either: some writers count none where no column is."""


def only_columns(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows: the columns of an empty file land too."""
    none: list[Array] = [pa.nulls(0, field.type) for field in schema]
    return without_dictionaries(pa.RecordBatch.from_arrays(none, schema=schema))


def without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with values in place of their numbers in a dictionary, which a slice would keep
    whole; within lists and structs dictionaries stay, of what Arrow can take from."""
    arrays = list(map(_values, batch.columns))
    fields = [
        field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _values(column: Array) -> Array:
    """Arrow casts no dictionary of nested values (pyarrow 26)."""
    taken = _unviewed(column.type)
    if taken != column.type:
        column = column.cast(taken)
    if not pa.types.is_dictionary(taken):
        return column
    kind = taken.value_type
    if pa.types.is_nested(kind):
        return column.dictionary.take(column.indices)
    return column.cast(kind)


def _unviewed(kind: DataType) -> DataType:
    """The type with texts where a dictionary has views of them, as Polars writes a Categorical:
    Arrow takes none of these (pyarrow 26)."""
    if pa.types.is_dictionary(kind):
        values = _VIEWED.get(kind.value_type) or _unviewed(kind.value_type)
        return pa.dictionary(kind.index_type, values, ordered=kind.ordered)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_unviewed(field.type)) for field in kind.fields])
    if pa.types.is_list(kind):
        return pa.list_(_unviewed_field(kind))
    if pa.types.is_large_list(kind):
        return pa.large_list(_unviewed_field(kind))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_unviewed_field(kind), kind.list_size)
    if pa.types.is_map(kind):
        keys, items = _unviewed(kind.key_type), _unviewed(kind.item_type)
        return kind if (keys, items) == (kind.key_type, kind.item_type) else pa.map_(keys, items)
    return kind


def _unviewed_field(kind: DataType) -> Field:
    return kind.value_field.with_type(_unviewed(kind.value_field.type))
