"""uuid as the text that `::text` prints: what every reader of Parquet has for one."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from bronze_engine.sources.copy_binary.buffers import empty, validity, wrapped
from bronze_engine.sources.copy_binary.cells import Cells
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.reader import Column

__all__ = ["read_uuid"]

_BYTES: Final = 16
_CHARACTERS: Final = 36
_PARTS: Final = ((0, 0, 4), (9, 4, 6), (14, 6, 8), (19, 8, 10), (24, 10, 16))
"""Place in the text, first and last byte of each part between dashes."""

_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
"""The two characters of each byte."""


def read_uuid(cells: Cells, field: Field) -> Column:
    """As string of 36 characters, in lower case."""
    count = len(cells)
    pairs = _HEX.take(cells.window(_BYTES)).view(np.uint8).reshape(count, 2 * _BYTES)
    text = empty(count * _CHARACTERS, np.uint8).reshape(count, _CHARACTERS)
    for place, first, last in _PARTS:
        text[:, place : place + 2 * (last - first)] = pairs[:, 2 * first : 2 * last]
        if place:
            text[:, place - 1] = ord("-")
    offsets = empty(count + 1, np.int32)
    offsets[:] = np.arange(0, (count + 1) * _CHARACTERS, _CHARACTERS)
    buffers = [validity(cells.nulls), wrapped(offsets), wrapped(text)]
    return Column(pa.Array.from_buffers(field.type, count, buffers))
