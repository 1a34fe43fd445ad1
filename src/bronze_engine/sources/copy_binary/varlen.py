"""Text, JSON and bytes: values of any length, moved into one buffer by Arrow's take."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from bronze_engine.errors import ExtractError
from bronze_engine.sources.copy_binary.buffers import empty, validity, wrapped
from bronze_engine.sources.copy_binary.cells import Cells
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.reader import Column

__all__ = ["read_bytea", "read_jsonb", "read_text"]

_SHORT_BYTES: Final = 40
_ASCII: Final = 0x80
_JSONB_VERSION: Final = 1


def read_text(cells: Cells, field: Field) -> Column:
    """As string. Raises ExtractError for what is no UTF-8, which PostgreSQL never sends."""
    return Column(_text(cells, field, 0))


def read_jsonb(cells: Cells, field: Field) -> Column:
    """As string, what `::text` prints: it is sent as that, behind a byte for the version.

    Raises ExtractError for another version than 1, the only one so far.
    """
    if len(cells):
        versions = cells.window(1)[:, 0]
        known = versions == _JSONB_VERSION
        if cells.nulls is not None:
            known |= cells.nulls
        if not known.all():
            raise ExtractError(
                f'column "{field.name}": jsonb of version {versions[~known][0]}, where 1 is known; '
                f'select it as text: schema.columns = {{ "{field.name}" = "string" }}'
            )
    return Column(_text(cells, field, 1))


def read_bytea(cells: Cells, field: Field) -> Column:
    """As binary."""
    return Column(_array(cells, field, _moved(cells, 0)))


def _text(cells: Cells, field: Field, skip: int) -> Any:
    offsets, values = _moved(cells, skip)
    array = _array(cells, field, (offsets, values))
    used = memoryview(values)[int(offsets[0]) : int(offsets[-1])]
    if len(used) and np.frombuffer(used, np.uint8).max() >= _ASCII:
        # one pass at memory's speed clears ASCII; the rest is checked value by value
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as exc:
            raise ExtractError(
                f'column "{field.name}": a value is no UTF-8, so what sent it is not a PostgreSQL '
                f"server that was told client_encoding = UTF8; look for a proxy in between, or "
                f"land the column as bytes: select it in a query as a bytea",
            ) from exc
    return array


def _array(cells: Cells, field: Field, moved: tuple[Any, Any]) -> Any:
    offsets, values = moved
    buffers = [validity(cells.nulls), wrapped(offsets), values]
    return pa.Array.from_buffers(field.type, len(cells), buffers)


def _moved(cells: Cells, skip: int) -> tuple[Any, Any]:
    """Offsets and one buffer of all values, each without its first `skip` bytes."""
    count, length = len(cells), cells.uniform
    if length is not None and skip <= length <= _SHORT_BYTES:
        size = length - skip
        offsets = empty(count + 1, np.int32)
        offsets[:] = np.arange(0, count * size + 1, size) if size else 0
        values = empty(count * size, np.uint8)
        if size:
            item = f"V{size}"  # one item a row, not as many bytes
            values.view(item)[:] = cells.window(length)[:, skip:].view(item)[:, 0]
        return offsets, wrapped(values)
    if count == 1:  # perhaps a large one: it stays where it is
        start, end = int(cells.starts[0]), int(cells.starts[0] + cells.lengths[0])
        return np.array([min(start + skip, end), end], np.int32), wrapped(cells.data)
    # Of 2n values, every other one is what lies between two of ours: take leaves those out.
    bounds = np.empty(2 * count + 1, np.int32)
    starts = cells.starts
    np.add(starts, skip, out=bounds[:-1:2], casting="unsafe")
    lengths = np.maximum(cells.lengths, skip) if skip else cells.lengths
    np.add(starts, lengths, out=bounds[1::2], casting="unsafe")
    bounds[-1] = bounds[-2] if count else 0
    pieces = [None, wrapped(bounds), wrapped(cells.data)]
    every_other = pa.Array.from_buffers(
        pa.int32(), count, [None, wrapped(np.arange(0, 2 * count, 2, dtype=np.int32))]
    )
    taken = pa.Array.from_buffers(pa.binary(), 2 * count, pieces).take(every_other)
    ends: Any
    _, ends, moved = taken.buffers()
    return np.ndarray((count + 1,), np.int32, memoryview(ends)), moved
