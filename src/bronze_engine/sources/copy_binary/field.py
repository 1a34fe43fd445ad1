"""A column as it comes in COPY BINARY and as it lands."""

from __future__ import annotations

from typing import Literal, final

import msgspec

from bronze_engine.model.arrow import DataType

__all__ = ["Field", "Kind"]

Kind = Literal[
    "array",
    "bool",
    "bytea",
    "date",
    "float4",
    "float8",
    "int2",
    "int4",
    "int8",
    "jsonb",
    "numeric",
    "oid",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
]
"""How the bytes of a value are read: the type's send function, by the name of its type.

"text" is whatever is sent as its own text in UTF-8: text, varchar, char, name, enums, json,
xml, citext, and any column that was selected as `::text`."""


@final
class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a COPY: how its bytes are read, and what it lands as."""

    name: str
    """As it lands."""
    kind: Kind
    type: DataType
    """The Arrow type it lands as: the kind's own or a wider one."""
    nullable: bool = True
    element: Kind | None = None
    """Of an array: how the bytes of its elements are read."""
    source_type: str = ""
    """As format_type() prints it: "numeric(18,4)"."""
