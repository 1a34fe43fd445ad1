"""Arrow's buffers, filled by numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.sources.copy_binary.cells import Mask, Words

__all__ = ["empty", "fixed_width", "packed", "validity", "wrapped"]


def empty(count: int, dtype: npt.DTypeLike) -> Words:
    """Room for `count` values in Arrow's memory, which goes back to the system when freed."""
    kind = np.dtype(dtype)
    return np.ndarray((count,), kind, memoryview(pa.allocate_buffer(count * kind.itemsize)))


def wrapped(values: Words) -> Any:
    """A buffer over the array's own memory."""
    held: Any = values  # the stubs don't know that an array is a buffer
    return pa.py_buffer(held)


def packed(mask: Mask) -> Any:
    """One bit a row, as Arrow packs them."""
    return wrapped(np.packbits(mask, bitorder="little"))


def validity(nulls: Mask | None) -> Any:
    """The validity bitmap of an array, or None where no row is null."""
    return None if nulls is None else packed(~nulls)


def fixed_width(kind: DataType, values: Words, nulls: Mask | None) -> Array:
    """An array over `values`, which have the layout of `kind`."""
    return pa.Array.from_buffers(kind, len(values), [validity(nulls), wrapped(values)])
