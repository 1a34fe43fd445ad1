"""The rows of files that are written anew, without those that go: by their places, in their order.

DuckDB has no part in it but for saying which places: what stands in the file is what is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.encode.indices import read_as_indices, with_indices
from bronze_engine.errors import StoreError
from bronze_engine.model.arrow import Array
from bronze_engine.silver.columns.shape import CURRENT
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import literal
from bronze_engine.silver.database.types import restored
from bronze_engine.silver.merge.held import HeldFile
from bronze_engine.workers import Workers

__all__ = ["Survivors", "ended", "rows_left"]

_ROWS: Final = 65_536
_NTH: Final = pa.schema([pa.field("nth", pa.int64())])

Places = np.ndarray[tuple[int], np.dtype[np.int64]]


@final
class Survivors(msgspec.Struct, frozen=True, kw_only=True):
    """What stays of some files of the table."""

    files: tuple[tuple[int, HeldFile], ...]
    """With their numbers, in order."""
    gone: str | None
    """A relation of the rows that go: `file`, the number of one, and `nth`, from 0. None: none."""
    schema: pa.Schema
    """Of the table: columns that a file lacks are NULL."""
    splits: bool
    """Whether rows that have ended go to files of their own."""


@asynccontextmanager
async def rows_left(
    survivors: Survivors, database: Database, workers: Workers, *, as_indices: bool = False
) -> AsyncIterator[AsyncIterator[pa.RecordBatch]]:
    """Batches of `survivors.schema`, in the order of the files and of their rows.

    `as_indices`: but texts that a file has as indices come as these (`encode.indices`).

    Raises StoreError for a file that can't be read.
    """

    async def batches() -> AsyncIterator[pa.RecordBatch]:
        for number, file in survivors.files:
            places = await _places(survivors.gone, number, database)
            steps = _rows_of(file, places, survivors.schema, as_indices=as_indices)
            async with workers.iterate(steps) as left:
                async for batch in left:
                    yield batch

    steps = batches()
    try:
        yield steps
    finally:
        await steps.aclose()  # type: ignore[attr-defined]  # it is a generator


def ended(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The current rows of a batch, and the others."""
    current = batch.column(CURRENT)
    return batch.filter(current), batch.filter(pc.invert(current))


async def _places(gone: str | None, number: int, database: Database) -> Places:
    """Of the rows of a file that go, ascending."""
    if gone is None:
        return np.empty(0, np.int64)
    sql = f"SELECT nth FROM {gone} WHERE file = {literal(number)} ORDER BY nth"
    async with database.batches(sql, schema=_NTH) as batches:
        found = [_numbers(batch.column(0)) async for batch in batches]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _rows_of(
    file: HeldFile, places: Places, schema: pa.Schema, *, as_indices: bool
) -> Iterator[pa.RecordBatch]:
    begin = 0
    try:
        metadata = pq.read_metadata(file.path)
        indices = read_as_indices(metadata, file.schema) if as_indices else []
        read, wanted = with_indices(file.schema, indices), with_indices(schema, indices)
        with pq.ParquetFile(
            file.path, metadata=metadata, read_dictionary=indices, pre_buffer=False
        ) as parquet:
            for batch in _batches(parquet):
                low, high = np.searchsorted(places, [begin, begin + batch.num_rows])
                left = batch
                if high > low:
                    mask = np.ones(batch.num_rows, np.bool_)
                    mask[places[low:high] - begin] = False
                    left = batch.filter(_truths(mask))
                begin += batch.num_rows
                if left.num_rows:
                    yield _whole(restored(left, read), wanted)
    except (pa.ArrowException, OSError) as exc:
        raise StoreError(
            f"{file.file.name} of the table can't be read ({exc}); nothing was published. Look with"
            " `bronze verify --silver`, or make the table anew with --rebuild",
            key=file.file.name,
        ) from exc


def _batches(parquet: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Of one row group at a time, whose bytes are bounded: a batch over several of wide rows is
    not. Arrow's own threads would hold more of the file, and take cores from the encoder."""
    for group in range(parquet.num_row_groups):
        yield from parquet.iter_batches(_ROWS, row_groups=[group], use_threads=False)


def _numbers(column: Array) -> Places:
    """Without `to_numpy`, as `_truths` is without `pa.array`: either imports pandas wherever it is
    installed, half a second of the loop and 45 MB."""
    return np.frombuffer(column.buffers()[1], np.int64, len(column), 8 * column.offset)


def _truths(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    bits = pa.py_buffer(np.packbits(mask, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    known = {*batch.schema.names}
    columns = [
        batch.column(field.name) if field.name in known else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
