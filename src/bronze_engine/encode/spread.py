"""Rows in, row groups by partition values out: which are written when, by order and size only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import pyarrow as pa

from bronze_engine.encode.partition_values import Divided, Values
from bronze_engine.encode.rowgroups import conform
from bronze_engine.encode.weight import Numbers, row_weights
from bronze_engine.model.arrow import Array

__all__ = ["Spread"]

_JOINED: Final = 4
"""Small batches of one value that are copied together at once: each is a fixed cost to hold, and
joining them at every turn is half of the work."""

_COLUMN_BYTES: Final = 512 * _JOINED
"""What a column of one value's small batches takes beside its values: objects and buffers."""

_SMALL_BYTES: Final = 64 * 1024
"""From here on a batch of one value stays as it is."""


@final
class Spread:
    """Holds the rows of one slice by their partition values until they are written.

    A value's row group is full at exactly `rows` rows, or with the row that brings it to
    `bytes_`, or where its file would pass `max_rows_per_file`. Where all that is held reaches
    `held_bytes`, the heaviest values are written until half of it is left. How the rows came in
    batches decides nothing. Batches may have older layouts, as for `RowGroups`.
    """

    def __init__(self, *, rows: int, bytes_: int, held_bytes: int, max_rows_per_file: int) -> None:
        self._rows = rows
        self._bytes = bytes_
        self._held_bytes = held_bytes
        self._max_rows_per_file = max_rows_per_file
        self._held: dict[Values, _Held] = {}
        self._file_rows: dict[Values, int] = {}
        self._pending: _Pending | None = None
        self._total = 0

    @property
    def keys(self) -> Sequence[Values]:
        """The values that rows are held of, in the order of their first rows."""
        return list(self._held)

    def begin(self, batch: pa.RecordBatch, divided: Divided) -> None:
        """Give the next batch; call `fill` until it has nothing to be written."""
        self._pending = _Pending(batch, divided)

    def fill(self) -> Sequence[Values]:
        """Hold rows up to the first that makes something full: `take` and write those values.

        Empty at the end of the batch.
        """
        pending = self._pending
        if pending is None:
            return ()
        last, full = pending.batch.num_rows - 1, None
        weights = pending.weights[pending.start :].copy()
        for key, places in pending.places.items():
            held = self._held.get(key)
            if held is None:
                weights[places[0] - pending.start] += self._value_bytes(pending.batch)
            count = self._full_at(key, held, pending.weights[places])
            if count is not None and places[count - 1] <= last:
                last, full = int(places[count - 1]), key
        room = self._held_bytes - self._total
        crowded = pending.start + int(np.searchsorted(np.cumsum(weights), room))
        if crowded < last or (crowded == last and full is None):
            self._hold(pending, crowded)
            return self._heaviest()
        self._hold(pending, last)
        if not pending.places:
            self._pending = None
        return () if full is None else (full,)

    def take(self, key: Values, schema: pa.Schema) -> pa.Table:
        """The rows of one value, as `schema`: one row group."""
        held = self._held.pop(key)
        self._total -= held.size_bytes + held.overhead
        self._file_rows[key] = self._file_rows.get(key, 0) + held.rows
        return pa.Table.from_batches([conform(batch, schema) for batch in held.batches], schema)

    def end_file(self, key: Values) -> None:
        """Say that the next row group of this value opens a file."""
        self._file_rows.pop(key, None)

    def _full_at(self, key: Values, held: _Held | None, weights: Numbers) -> int | None:
        """With which of these rows its row group is full; None where with none."""
        rows, size = (0, 0) if held is None else (held.rows, held.size_bytes)
        limit = min(self._rows, self._max_rows_per_file - self._file_rows.get(key, 0))
        count = limit - rows if limit - rows <= len(weights) else None
        if size + int(weights.sum()) >= self._bytes:
            heavy = 1 + int(np.searchsorted(np.cumsum(weights), self._bytes - size))
            count = heavy if count is None else min(count, heavy)
        return count

    def _hold(self, pending: _Pending, last: int) -> None:
        for key, (batch, size_bytes) in pending.until(last):
            held = self._held.get(key)
            if held is None:
                overhead = self._value_bytes(batch)
                held = self._held[key] = _Held(overhead)
                self._total += overhead
            held.add(batch, size_bytes)
            self._total += size_bytes

    def _heaviest(self) -> Sequence[Values]:
        order = sorted(self._held, key=lambda key: -self._held[key].size_bytes)  # a stable sort
        left, count = self._total, 0
        while left > self._held_bytes // 2 and count < len(order):
            held = self._held[order[count]]
            left -= held.size_bytes + held.overhead
            count += 1
        return order[:count]

    def _value_bytes(self, batch: pa.RecordBatch) -> int:
        return _COLUMN_BYTES * batch.num_columns


@final
class _Pending:
    """A batch whose rows are being handed out by value."""

    def __init__(self, batch: pa.RecordBatch, divided: Divided) -> None:
        self.batch = batch
        self.weights = row_weights(batch)
        self.start = 0
        order = np.argsort(divided.codes, kind="stable")
        counts = np.bincount(divided.codes, minlength=len(divided.keys))
        each = np.split(order, np.cumsum(counts)[:-1])
        self.places = dict(zip(divided.keys, each, strict=True)) if batch.num_rows else {}
        """Of each value the rows that are left, ascending."""

    def until(self, last: int) -> list[tuple[Values, tuple[pa.RecordBatch, int]]]:
        """The rows up to this one, by value, with what they weigh; they are left no more."""
        found = []
        for key, places in list(self.places.items()):
            count = int(np.searchsorted(places, last, side="right"))
            if not count:
                continue
            taken = places[:count]
            # A copy even where rows are next to each other: a slice would hold the whole batch.
            is_whole = count == self.batch.num_rows
            rows: Array = pa.array(taken)
            batch = self.batch if is_whole else self.batch.take(rows)
            found.append((int(taken[0]), key, batch, int(self.weights[taken].sum())))
            if count == len(places):
                del self.places[key]
            else:
                self.places[key] = places[count:]
        self.start = last + 1
        found.sort(key=lambda each: each[0])
        return [(key, (batch, size_bytes)) for _, key, batch, size_bytes in found]


@final
class _Held:
    """The rows of one value, in order."""

    def __init__(self, overhead: int) -> None:
        self.overhead = overhead
        self.rows = 0
        self.size_bytes = 0
        self._whole: list[pa.RecordBatch] = []
        self._small: list[pa.RecordBatch] = []
        """The last of them, each of less than _SMALL_BYTES."""
        self._small_bytes = 0

    @property
    def batches(self) -> Sequence[pa.RecordBatch]:
        return [*self._whole, *self._small]

    def add(self, batch: pa.RecordBatch, size_bytes: int) -> None:
        self.rows += batch.num_rows
        self.size_bytes += size_bytes
        self._small.append(batch)
        self._small_bytes += size_bytes
        if size_bytes >= _SMALL_BYTES:
            self._settle()
        elif len(self._small) == _JOINED:
            schema = batch.schema
            if all(schema.equals(each.schema, check_metadata=True) for each in self._small):
                self._small = pa.Table.from_batches(self._small).combine_chunks().to_batches()
            if len(self._small) > 1 or self._small_bytes >= _SMALL_BYTES:
                self._settle()

    def _settle(self) -> None:
        self._whole += self._small
        self._small = []
        self._small_bytes = 0
