"""Arrow schemas as text, and names for Arrow's classes that let the type checker be.

pyarrow has no annotations of its own, and the third-party stubs make each class generic
over its element type, which a program that handles whatever a source sends can't know.
"""

from __future__ import annotations

import base64
from typing import Any, TypeAlias

import pyarrow as pa

__all__ = ["Array", "DataType", "Field", "Scalar", "schema_from_text", "schema_to_text"]

Array: TypeAlias = Any
DataType: TypeAlias = Any
Field: TypeAlias = Any
Scalar: TypeAlias = Any


def schema_to_text(schema: pa.Schema) -> str:
    """The schema with all its metadata as Arrow IPC in base64: `Manifest.arrow_schema`."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """The inverse of `schema_to_text`."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
