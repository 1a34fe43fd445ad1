"""Columns within objects: one tree of keys for the reader, and its arrays taken out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import pyarrow as pa

from bronze_engine.model.arrow import Array, DataType, Field

__all__ = ["Tree"]


@final
class Tree:
    """The schema of records whose values at some paths become columns by name."""

    def __init__(self, columns: Mapping[str, tuple[tuple[str, ...], DataType]]) -> None:
        """`columns` are path and type by name; no path leads through another's end."""
        self._root: dict[str, Any] = {}
        for name, (path, _) in columns.items():
            node = self._root
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = name
        self.schema = pa.schema(_fields(self._root, {n: t for n, (_, t) in columns.items()}))

    def columns(self, table: pa.Table) -> dict[str, Array]:
        """The arrays of a table of this schema, by name."""
        arrays = [
            chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
            for chunks in table.columns
        ]
        found: dict[str, Array] = {}
        _collect(self._root, arrays, found)
        return found


def _fields(node: Mapping[str, Any], types: Mapping[str, DataType]) -> list[Field]:
    return [
        pa.field(key, types[below] if isinstance(below, str) else pa.struct(_fields(below, types)))
        for key, below in node.items()
    ]


def _collect(node: Mapping[str, Any], arrays: Sequence[Array], found: dict[str, Array]) -> None:
    for below, array in zip(node.values(), arrays, strict=True):
        if isinstance(below, str):
            found[below] = array
        else:
            _collect(below, array.flatten(), found)  # with the nulls of the object itself
