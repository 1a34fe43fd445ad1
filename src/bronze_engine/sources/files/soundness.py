"""Whether what a file of Arrow IPC says of its own arrays can be true.

Nothing in such a file is checked by a sum. Arrow takes offsets and numbers of a dictionary as
they stand, and would read what lies elsewhere in memory, or end the process.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array

__all__ = ["is_sound"]

_OFFSETS: Final = (
    (pa.types.is_string, np.int32),
    (pa.types.is_binary, np.int32),
    (pa.types.is_large_string, np.int64),
    (pa.types.is_large_binary, np.int64),
    (pa.types.is_list, np.int32),
    (pa.types.is_map, np.int32),
    (pa.types.is_large_list, np.int64),
)
_BY_REFERENCE: Final = (
    pa.types.is_string_view,
    pa.types.is_binary_view,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
    pa.types.is_run_end_encoded,
)
"""What has no offsets that grow: a text that is no UTF-8 is not told from a wrong place here."""


def is_sound(array: Array) -> bool:
    """Whether each value of the array lies within it. A text that is no UTF-8, or a decimal of too
    many digits, is a value, and judged elsewhere."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return _lies_within(array)
    return True


def _lies_within(array: Array) -> bool:
    try:
        array.validate()
    except pa.ArrowInvalid:
        return False
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _lies_within(array.storage)
    width = next((width for is_so, width in _OFFSETS if is_so(kind)), None)
    if width is not None:
        is_nested = pa.types.is_nested(kind)
        size = len(array.values) if is_nested else _size_of(array.buffers()[2])
        return _grow(array, width, size) and (not is_nested or is_sound(array.values))
    if pa.types.is_struct(kind):
        return all(is_sound(array.field(place)) for place in range(kind.num_fields))
    if pa.types.is_fixed_size_list(kind):
        return is_sound(array.values)
    if pa.types.is_dictionary(kind):
        return _points_into(array) and is_sound(array.dictionary)
    return not any(is_so(kind) for is_so in _BY_REFERENCE)


def _size_of(buffer: pa.Buffer | None) -> int:
    return 0 if buffer is None else buffer.size


def _grow(array: Array, width: Any, size: int) -> bool:
    """Whether each offset is at or behind the one before, and the last within `size`."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return not len(array)
    step = np.dtype(width).itemsize
    offsets = np.frombuffer(buffer, width, len(array) + 1, array.offset * step)
    return bool(offsets[0] >= 0 and offsets[-1] <= size and (offsets[1:] >= offsets[:-1]).all())


def _points_into(array: Array) -> bool:
    places = array.indices.drop_null().to_numpy(zero_copy_only=False)
    return not len(places) or bool(places.min() >= 0 and places.max() < len(array.dictionary))
