"""The kinds that are read from binary, each with what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bronze_engine.sources.copy_binary.arrays import array_reader
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.fixed import read_bool, read_number
from bronze_engine.sources.copy_binary.numeric import read_numeric, show_numeric
from bronze_engine.sources.copy_binary.reader import Reader
from bronze_engine.sources.copy_binary.times import (
    read_date,
    read_time,
    read_timestamp,
    show_date,
    show_time,
    show_timestamp,
)
from bronze_engine.sources.copy_binary.uuids import read_uuid
from bronze_engine.sources.copy_binary.varlen import read_bytea, read_jsonb, read_text

__all__ = ["READERS", "has_specials"]

_PLAIN: Final[Mapping[Kind, Reader]] = {
    "bool": Reader(read_bool, width=1),
    "bytea": Reader(read_bytea),
    "date": Reader(read_date, show_date, width=4),
    "float4": Reader(read_number, width=4),
    "float8": Reader(read_number, width=8),
    "int2": Reader(read_number, width=2),
    "int4": Reader(read_number, width=4),
    "int8": Reader(read_number, width=8),
    "jsonb": Reader(read_jsonb, head_bytes=1),
    "numeric": Reader(read_numeric, show_numeric, head_bytes=24),
    "oid": Reader(read_number, width=4),
    "text": Reader(read_text),
    "time": Reader(read_time, show_time, width=8),
    "timestamp": Reader(read_timestamp, show_timestamp, width=8),
    "timestamptz": Reader(read_timestamp, show_timestamp, width=8),
    "uuid": Reader(read_uuid, width=16),
}

READERS: Final[Mapping[Kind, Reader]] = {**_PLAIN, "array": array_reader(_PLAIN)}


def has_specials(field: Field) -> bool:
    """Whether the column may have values that its Arrow type can't hold."""
    return READERS[field.kind].show is not None
