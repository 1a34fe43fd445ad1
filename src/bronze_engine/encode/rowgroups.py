"""Batches in, row groups out: cut by order and size only, never by timing or memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.encode.indices import is_indices, with_indices
from bronze_engine.encode.weight import rows_within, weight
from bronze_engine.model.arrow import Array, DataType, scalar

__all__ = ["RowGroups", "conform", "gathered"]


@final
class RowGroups:
    """Gathers the batches of one slice, in order, and cuts them into row groups.

    A row group ends at exactly `rows` rows, or with the row that brings it to `bytes_`
    (`weight`), whichever is first; and where a file would pass `max_rows_per_file`. How the
    rows came in batches decides nothing. Batches may have older layouts: they are conformed
    to the schema that `take` is given.
    """

    def __init__(self, *, rows: int, bytes_: int, max_rows_per_file: int) -> None:
        self._rows = rows
        self._bytes = bytes_
        self._max_rows_per_file = max_rows_per_file
        self._file_rows = 0
        self._batches: deque[pa.RecordBatch] = deque()
        self.held_rows = 0
        self.held_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append one batch. Take every row group that is full before the next one."""
        if batch.num_rows:
            self._batches.append(batch)
            self.held_rows += batch.num_rows
            self.held_bytes += weight(batch)

    @property
    def is_full(self) -> bool:
        """Whether `take` would give a full row group."""
        return self.held_rows >= self._limit() or self.held_bytes >= self._bytes

    @property
    def ends_file(self) -> bool:
        """Whether the row group that was cut last fills its file."""
        return self._file_rows % self._max_rows_per_file == 0

    def take(self, schema: pa.Schema) -> pa.Table:
        """The next row group, of at least one row unless nothing is held, as `schema`.

        Full if `is_full`, else all that is left. Rows past the limit stay for the next.
        """
        return gathered(self.cut(), schema)

    def cut(self) -> list[pa.RecordBatch]:
        """The next row group as the batches that it came in, which `gathered` takes."""
        rows_left, bytes_left = self._limit(), self._bytes
        taken: list[pa.RecordBatch] = []
        while self._batches and rows_left > 0 and bytes_left > 0:
            batch = self._batches.popleft()
            heavy = weight(batch)
            rows = rows_within(batch, bytes_left) if heavy > bytes_left else batch.num_rows
            rows = min(rows, rows_left)
            if rows < batch.num_rows:
                self._batches.appendleft(batch.slice(rows))
                batch = batch.slice(0, rows)
                heavy = weight(batch)
            taken.append(batch)
            rows_left -= rows
            bytes_left -= heavy
            self.held_rows -= rows
            self.held_bytes -= heavy
            self._file_rows += rows
        return taken

    def put_back(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Hold rows again that were cut last; `begin_file` is to follow."""
        for batch in reversed(batches):
            self._batches.appendleft(batch)
            self.held_rows += batch.num_rows
            self.held_bytes += weight(batch)

    def begin_file(self) -> None:
        """Say that what is held next opens a file; needed only where rows did not decide it."""
        self._file_rows = 0

    def _limit(self) -> int:
        left = self._max_rows_per_file - self._file_rows % self._max_rows_per_file
        return min(self._rows, left)


def gathered(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Batches of one layout or of older ones, conformed. Texts that all of them have as indices
    (`encode.indices`) stay so."""
    indices = [
        field.name
        for field in schema
        if field.type == pa.string() and all(_has_indices(batch, field.name) for batch in batches)
    ]
    wanted = with_indices(schema, indices) if batches and indices else schema
    return pa.Table.from_batches([conform(batch, wanted) for batch in batches], schema=wanted)


def _has_indices(batch: pa.RecordBatch, name: str) -> bool:
    place = batch.schema.get_field_index(name)
    return place >= 0 and is_indices(batch.schema.field(place).type)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of an older layout as one of a newer.

    Columns that it lacks are NULL; null becomes any type, int64 becomes double, structs
    gain fields, and structs that never had one become the text `{}`. Raises
    pa.ArrowInvalid for an integer that the double does not hold.
    """
    if not schema.names:
        return batch.select([])  # of arrays that are not there it would have no rows
    places = {name: place for place, name in enumerate(batch.schema.names)}
    arrays = [
        _conform(batch.column(places[field.name]), field.type)
        if field.name in places
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _conform(array: Array, kind: DataType) -> Array:
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_struct(array.type):
        if pa.types.is_string(kind):
            return pc.if_else(
                array.is_valid(), scalar("{}", pa.string()), scalar(None, pa.string())
            )
        return _conform_struct(array, kind)
    if pa.types.is_list(array.type):
        # flatten, not values: a slice's offsets count from the whole array's first value
        values = _conform(array.flatten(), kind.value_type)
        lengths: Array = pc.fill_null(pc.list_value_length(array), scalar(0, pa.int32()))
        ends = pc.cumulative_sum(lengths)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(offsets, values, type=kind, mask=mask)
    return array.cast(kind)


def _conform_struct(array: Array, kind: DataType) -> Array:
    fields = [kind.field(i) for i in range(kind.num_fields)]
    old = {array.type.field(i).name: i for i in range(array.type.num_fields)}
    children = [
        _conform(array.field(old[field.name]), field.type)
        if field.name in old
        else pa.nulls(len(array), field.type)
        for field in fields
    ]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)
