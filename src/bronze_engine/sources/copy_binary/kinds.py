"""The kinds that are read from binary, each with what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bronze_engine.sources.copy_binary.field import Kind
from bronze_engine.sources.copy_binary.fixed import read_bool, read_number
from bronze_engine.sources.copy_binary.reader import Reader

__all__ = ["READERS"]

READERS: Final[Mapping[Kind, Reader]] = {
    "bool": Reader(read_bool, width=1),
    "int2": Reader(read_number, width=2),
    "int4": Reader(read_number, width=4),
    "int8": Reader(read_number, width=8),
    "oid": Reader(read_number, width=4),
    "float4": Reader(read_number, width=4),
    "float8": Reader(read_number, width=8),
}
