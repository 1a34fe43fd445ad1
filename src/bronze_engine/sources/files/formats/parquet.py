"""`format = "parquet"`: row groups in order, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.errors import QualityError
from bronze_engine.sources.files.batches import (
    NO_COLUMN,
    check_names,
    check_rows,
    hand_on,
    only_columns,
    reading_as,
    without_dictionaries,
)
from bronze_engine.sources.files.format import Content
from bronze_engine.sources.files.formats.int96 import Instants

__all__ = ["ParquetFormat"]

_BATCH_BYTES: Final = 4 * 1024**2
_MAX_ROWS: Final = 65_536
_FIRST_ROWS: Final = 512
"""Read to learn how heavy rows are: what the footer tells is their encoded size."""

_BUFFER_BYTES: Final = 256 * 1024
"""Read ahead of each column, in place of the whole of its chunk."""


@final
class ParquetFormat:
    """Parquet from a local disk: files of stores and servers are copied there first."""

    def __init__(self, request: Request, resources: Resources) -> None:
        self._workers = resources.workers
        self._tally = resources.tally
        self._decoder = resources.arrow_decoder(request)
        self._columns = request.schema.columns

    async def read(self, content: Content, emit: Emit, /) -> None:
        info = content.info
        async with content.local() as path:
            batches = _batches(path, info.path, self._columns)
            if not await hand_on(batches, info.number, emit, self._workers):
                self._tally.warn(f"{info.path} {NO_COLUMN}")

    def decoder(self) -> Decoder:
        return self._decoder


def _batches(path: Path, name: str, types: dict[str, str]) -> Iterator[pa.RecordBatch]:
    with reading_as("Parquet", name):
        instants = Instants.of(path, types)
        with pq.ParquetFile(
            path,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            coerce_int96_timestamp_unit=instants.unit,
        ) as file:
            schema = file.schema_arrow
            check_names(schema.names, name)
            check_rows(len(schema), file.metadata.num_rows, name)
            _check_types(file.schema)
            if not file.metadata.num_rows:
                yield only_columns(schema)
                return
            rows = _rows_a_batch(file)
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                instants.check(batch, name)
                yield without_dictionaries(batch)


def _check_types(schema: pq.ParquetSchema) -> None:
    """Raise QualityError for intervals, of months, days and milliseconds: Arrow gives them as 12
    bytes, and says no more."""
    for place in range(len(schema.names)):
        leaf = schema.column(place)
        if leaf.converted_type == "INTERVAL":
            raise QualityError(
                f"column {leaf.path!r} has the type INTERVAL, which can't land as it is; write it"
                " as another type, or as text",
                column=leaf.path,
            )


def _rows_a_batch(file: pq.ParquetFile) -> int:
    batch = next(file.iter_batches(batch_size=_FIRST_ROWS, use_threads=False), None)
    if batch is None or not batch.num_rows:
        return _MAX_ROWS
    row_bytes = max(1, without_dictionaries(batch).nbytes // batch.num_rows)
    return max(1, min(_MAX_ROWS, _BATCH_BYTES // row_bytes))
