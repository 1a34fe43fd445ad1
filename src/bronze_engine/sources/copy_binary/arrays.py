"""Arrays to Arrow lists: the elements of all rows are found at once, and read as one column.

A value is sent as int32 dimensions, int32 whether an element is NULL, uint32 the elements'
type, of each dimension int32 size and int32 lower bound, and then the elements in row-major
order, each behind its length as a column is. array_send says so:
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c

A column's type fixes how deep its lists are nested, but to PostgreSQL int[] holds arrays of any
number of dimensions, counted from any number. Those of another depth, and those that do not
count from 1, are special; the empty array, which has no dimensions, fits everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple, final

import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.sources.copy_binary.array_text import show_array
from bronze_engine.sources.copy_binary.buffers import packed, validity, wrapped
from bronze_engine.sources.copy_binary.cells import Cells, Lengths, Mask, Positions, Words, gather
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.reader import Column, Reader

__all__ = ["array_reader"]

_HEAD_BYTES: Final = 12
_DIMENSION_BYTES: Final = 8
_LENGTH_BYTES: Final = 4
_MOST_DIMENSIONS: Final = 6
_FEW_ROWS: Final = 16
"""Below it a step over all rows at once costs more than a loop over their elements."""


def array_reader(elements: Mapping[Kind, Reader]) -> Reader:
    """What reads arrays, given what reads their elements."""

    def read(cells: Cells, field: Field) -> Column:
        kind = field.element
        if kind is None:
            raise TypeError(f"the field {field.name!r} is an array of nothing")
        return _read(cells, field, kind, elements[kind])

    return Reader(read, show_array)


class _Shape(NamedTuple):
    """How many items each row has in each dimension; 0 where it is NULL, empty or special."""

    sizes: tuple[Positions, ...]
    counts: Positions
    """Elements of each row: the product."""
    special: Mask


def _read(cells: Cells, field: Field, kind: Kind, reader: Reader) -> Column:
    depth, leaf = _depth(field.type)
    shape = _shape(cells, depth, field)
    found = _elements(cells, shape.counts, _HEAD_BYTES + _DIMENSION_BYTES * depth, reader, field)
    element = Field(name=field.name, kind=kind, type=leaf, source_type=field.source_type)
    values, special_values = reader.read(found, element)
    sizes, special = shape.sizes, shape.special
    if special_values is not None:
        rows = np.repeat(np.arange(len(cells)), shape.counts)
        special[rows[special_values]] = True
        kept = ~special[rows]
        values = values.filter(pa.Array.from_buffers(pa.bool_(), len(kept), [None, packed(kept)]))
        sizes = tuple(np.where(special, 0, size) for size in sizes)
    nulls = cells.nulls
    if special.any():
        return Column(_nested(values, field.type, sizes, _or(special, nulls)), special)
    return Column(_nested(values, field.type, sizes, nulls))


def _depth(kind: DataType) -> tuple[int, DataType]:
    depth = 0
    while pa.types.is_list(kind):
        kind = kind.value_type
        depth += 1
    return depth, kind


def _shape(cells: Cells, depth: int, field: Field) -> _Shape:
    heads = cells.window(_HEAD_BYTES + _DIMENSION_BYTES * depth).view(">i4").astype(np.int64)
    dimensions = heads[:, 0]
    there = np.ones(len(cells), np.bool_) if cells.nulls is None else ~cells.nulls
    is_odd = (dimensions < 0) | (dimensions > _MOST_DIMENSIONS) | (cells.lengths < _HEAD_BYTES)
    if np.any(there & is_odd):
        raise BrokenFraming(f'column "{field.name}" has an array of no possible dimensions')
    bounds = heads[:, _HEAD_BYTES // 4 :]
    fits = there & (dimensions == depth) & (bounds[:, 1::2] == 1).all(axis=1)
    sizes = tuple(np.where(fits, bounds[:, 2 * place], 0) for place in range(depth))
    counts = np.ones(len(cells), np.int64)
    for size in sizes:
        counts *= np.clip(size, 0, 2**31)
        if np.any((size < 0) | (counts * _LENGTH_BYTES > cells.lengths)):
            raise BrokenFraming(f'column "{field.name}" has an array of more than its bytes')
    return _Shape(sizes, counts, there & ~fits & (dimensions != 0))


def _elements(
    cells: Cells, counts: Positions, head_bytes: int, reader: Reader, field: Field
) -> Cells:
    """The elements of all rows, in order, as the cells of one column."""
    total = int(counts.sum())
    starts = cells.starts + head_bytes
    ends = cells.starts + cells.lengths
    if reader.width is not None:
        step = _LENGTH_BYTES + reader.width
        if np.all((starts + counts * step == ends) | (counts == 0)):  # none of them is NULL
            place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
            positions = np.repeat(starts + _LENGTH_BYTES, counts) + place * step
            return Cells(cells.data, positions, reader.width)
    walk = _Walk(cells.data, total)
    if not walk.follow(starts, ends, counts):
        raise BrokenFraming(f'column "{field.name}" has an array whose elements do not add up')
    nulls = walk.lengths < 0
    if reader.width is not None and np.any(~nulls & (walk.lengths != reader.width)):
        raise BrokenFraming(f'column "{field.name}" has an array of elements of another type')
    if not nulls.any():
        return Cells(cells.data, walk.positions, walk.lengths)
    return Cells(cells.data, walk.positions, np.maximum(walk.lengths, 0), nulls)


@final
class _Walk:
    """Element k of all rows at once, for each k: where it is, and how long."""

    def __init__(self, data: Words, total: int) -> None:
        self._data = data
        self.positions: Positions = np.empty(total, np.int64)
        self.lengths: Lengths = np.empty(total, np.int32)

    def follow(self, starts: Positions, ends: Positions, counts: Positions) -> bool:
        """Whether the elements of each row end where the row's value does."""
        first = np.cumsum(counts) - counts
        rows = np.argsort(-counts, kind="stable")  # those that have an element k are in front
        rows = rows[: int(np.count_nonzero(counts))]
        at, ends, counts, first = starts[rows], ends[rows], counts[rows], first[rows]
        done = 0
        while len(at) > _FEW_ROWS:
            sent = gather(self._data, at, _LENGTH_BYTES).view(">i4")[:, 0]
            at = at + _LENGTH_BYTES
            self.positions[first + done] = at
            self.lengths[first + done] = sent
            at += np.maximum(sent, 0)
            done += 1
            more = int(np.searchsorted(-counts, -done))
            if np.any(at[:more] + _LENGTH_BYTES > ends[:more]) or np.any(at[more:] != ends[more:]):
                return False
            at, ends, counts, first = at[:more], ends[:more], counts[:more], first[:more]
        return all(
            self._follow_row(*row)
            for row in zip(
                at.tolist(), ends.tolist(), (counts - done).tolist(), (first + done).tolist(),
                strict=True,
            )
        )  # fmt: skip

    def _follow_row(self, start: int, end: int, count: int, first: int) -> bool:
        value = self._data[start:end].tobytes()
        place, size = 0, len(value)
        positions: list[int] = []
        lengths: list[int] = []
        for _ in range(count):
            if place + _LENGTH_BYTES > size:
                return False
            (length,) = struct.unpack_from("!i", value, place)
            place += _LENGTH_BYTES
            positions.append(place)
            lengths.append(length)
            place += max(length, 0)
        self.positions[first : first + count] = positions
        self.positions[first : first + count] += start
        self.lengths[first : first + count] = lengths
        return place == size


def _nested(
    values: Array, kind: DataType, sizes: tuple[Positions, ...], nulls: Mask | None
) -> Array:
    """Lists in lists over the elements; only the outermost may be null."""
    if len(sizes) > 1:
        outer = sizes[0]
        inner = tuple(np.repeat(size, outer) for size in sizes[1:])
        values = _nested(values, kind.value_type, inner, None)
    offsets = np.zeros(len(sizes[0]) + 1, np.int32)
    np.cumsum(sizes[0], out=offsets[1:])
    buffers = [validity(nulls), wrapped(offsets)]
    return pa.Array.from_buffers(kind, len(sizes[0]), buffers, children=[values])


def _or(special: Mask, nulls: Mask | None) -> Mask:
    return special if nulls is None else special | nulls
