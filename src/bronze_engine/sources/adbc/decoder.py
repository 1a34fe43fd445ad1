"""A driver's batches as those of the layout: pure, and safe in many threads at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.contracts import Decoded
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType, Scalar
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.types.convert import convert
from bronze_engine.model.types.row_text import Origin, printed_rejects, printed_rows

__all__ = ["AdbcDecoder", "CursorRows", "no_rows"]

_NO_CURSOR: Final = "the cursor is NULL: no window has this row"


class CursorRows(msgspec.Struct, frozen=True, kw_only=True):
    """What the decoder must know of an incremental pipeline's window."""

    place: int
    """Of the cursor among the columns."""
    name: str
    low: Array | None
    """The watermark below which rows are late; None where the window has no beginning."""
    is_low_late: bool = True
    """Whether those at it are, too."""
    high: str | None
    """Where the window ends, which was settled before the first row."""
    on_null: str
    """"fail" or "quarantine"."""


@final
class AdbcDecoder:
    """Decodes blocks that hold a batch each, with the columns of one result."""

    def __init__(self, layout: Layout, cursor: CursorRows | None) -> None:
        self._layout = layout
        self._columns = layout.columns()
        self._cursor = cursor

    @property
    def least_group_bytes(self) -> int:
        return 0

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:  # noqa: ARG002  # it is fixed
        """Decode one group. Raises QualityError for a value that its column can't hold."""
        rejects: list[Reject] = []
        batches: list[pa.RecordBatch] = []
        origins: list[Origin] = []
        late = 0
        for block in blocks:
            batch = block.batch
            if batch is None:
                continue
            kept = None
            if self._cursor is not None:
                batch, of_batch, kept = self._with_cursor(block, batch, self._cursor)
                rejects += of_batch
                late += self._late_rows(batch, self._cursor)
            origins.append(Origin(block.page, block.offset, batch.num_rows, kept))
            batches.append(self._landed(batch))
        whole = self._whole(batches)
        return Decoded(
            batch=whole,
            layout=self._layout,
            rejects=tuple(rejects),
            high=None if self._cursor is None or not whole.num_rows else self._cursor.high,
            late_rows=late,
            refuse=partial(printed_rejects, whole, origins),
        )

    def _whole(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        schema = self._layout.schema
        found = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
        if found:
            return found[0]
        return no_rows(schema)

    def _landed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            self._column(array, column)
            for array, column in zip(batch.columns, self._columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._layout.schema)

    def _column(self, array: Array, column: Column) -> Array:
        try:
            found = convert(array, column.type, column.role)
            found.validate(full=True)  # texts that are no UTF-8, decimals of too many digits
        except pa.ArrowException as exc:
            raise QualityError(
                f"column {column.key!r} ({column.source_type}) has a value that is no"
                f" {column.type}: {exc}; type it in schema.columns, or cast it in a query"
            ) from exc
        if pa.types.is_timestamp(column.type) or pa.types.is_date32(column.type):
            _check_finite(found, column)
        return found

    def _with_cursor(
        self, block: Block, batch: pa.RecordBatch, cursor: CursorRows
    ) -> tuple[pa.RecordBatch, list[Reject], Sequence[int] | None]:
        """The rows that have a cursor, those that have none, and which of all the former are."""
        values = batch.column(cursor.place)
        if not values.null_count:
            return batch, [], None
        if cursor.on_null == "fail":
            raise QualityError(
                f"the cursor {cursor.name!r} is NULL in {values.null_count:,} of"
                f" {batch.num_rows:,} rows; leave them out with source.where, or set"
                ' incremental.on_null_cursor = "quarantine"'
            )
        is_null = values.is_null()
        places: list[int] = pc.indices_nonzero(is_null).to_numpy().tolist()
        rejects = [
            Reject(reason=_NO_CURSOR, page=block.page, offset=block.offset + place, raw=raw)
            for place, raw in zip(places, printed_rows(batch, places), strict=True)
        ]
        kept: list[int] = pc.indices_nonzero(values.is_valid()).to_numpy().tolist()
        return batch.filter(values.is_valid()), rejects, kept

    def _late_rows(self, batch: pa.RecordBatch, cursor: CursorRows) -> int:
        if cursor.low is None or not batch.num_rows:
            return 0
        values = batch.column(cursor.place)
        is_late = pc.less_equal if cursor.is_low_late else pc.less
        late = is_late(values, cursor.low[0])
        return int(late.true_count)


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of these columns, empty."""
    none: list[Array] = [pa.nulls(0, field.type) for field in schema]
    return pa.RecordBatch.from_arrays(none, schema=schema)


def _check_finite(array: Array, column: Column) -> None:
    """Infinity is the last value of its type to some drivers (DuckDB): no day that there is."""
    bounds: Scalar = pc.min_max(array)
    for bound in (bounds["min"], bounds["max"]):
        if bound.is_valid and abs(bound.value) >= _last(column.type):
            raise QualityError(
                f"column {column.key!r} ({column.source_type}) has an infinite value, which"
                f" {column.type} can't hold; leave such rows out with source.where, or cast the"
                " column to text in a query"
            )


def _last(kind: DataType) -> int:
    return int(2 ** (kind.bit_width - 1) - 1)
