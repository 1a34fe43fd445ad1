"""Booleans, integers and floating-point numbers: the bytes turned round.

https://www.postgresql.org/docs/current/sql-copy.html (Binary Format) and the types' send
functions: all numbers are big-endian, a boolean is one byte of 0 or 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from bronze_engine.sources.copy_binary.buffers import empty, fixed_width, packed, validity
from bronze_engine.sources.copy_binary.cells import Cells
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.reader import Column

__all__ = ["read_bool", "read_number"]

_SENT: Final[Mapping[Kind, str]] = {
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "oid": ">u4",
    "float4": ">f4",
    "float8": ">f8",
}


def read_number(cells: Cells, field: Field) -> Column:
    """Of `field.type`, which may be wider than what is sent (int4 as int64)."""
    values = empty(len(cells), np.dtype(field.type.to_pandas_dtype()))
    values[:] = cells.words(_SENT[field.kind])
    return Column(fixed_width(field.type, values, cells.nulls))


def read_bool(cells: Cells, field: Field) -> Column:
    truths = packed(cells.words("u1") != 0)
    return Column(pa.Array.from_buffers(field.type, len(cells), [validity(cells.nulls), truths]))
