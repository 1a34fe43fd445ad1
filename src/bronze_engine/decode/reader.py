"""JSON lines to Arrow by a layout, in C++: pyarrow's reader told every type beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from bronze_engine.model.arrow import Array, DataType, Field, scalar
from bronze_engine.model.layout import Column, Layout

__all__ = ["Reader", "cast_temporal", "is_temporal"]

_EMPTY_STRUCT: Final = pa.struct([])
_NOTHING: Final = pa.bool_()
"""What a column without values is read as. pyarrow 26 makes arrays of wrong length of nulls in
lists when told pa.null(); `_land` refuses what is not null."""


@final
class Reader:
    """Reads groups of one layout; made once a layout, and then free of state."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.columns = layout.columns()
        self._direct = pa.schema(
            [(c.key, _direct_type(c)) for c in self.columns if c.key is not None]
        )
        self._direct_names = [column.name for column in self.columns if column.key is not None]
        self.doubles = [
            i for i, column in enumerate(self.columns) if _has_leaf(column.type, pa.float64())
        ]
        """Places of the columns with a double at any depth."""
        self.open_integers = (
            []
            if layout.is_settled
            else [
                i
                for i, column in enumerate(self.columns)
                if i >= layout.known and not column.big and _has_leaf(column.type, pa.int64())
            ]
        )
        """Places of the columns whose integers could still become doubles."""

    def read(self, data: bytes, rows: int) -> pa.RecordBatch:
        """Records as they came. Raises pa.ArrowInvalid where anything at all is unexpected.

        What the reader does not notice (long numbers in double columns, bytes that are no
        UTF-8) is the caller's to check.
        """
        return self._read(data, rows, self._direct, self._direct_names)

    def read_patched(self, data: bytes, rows: int, keys: Mapping[str, str]) -> pa.RecordBatch:
        """Records that the exact path has made fit; `keys` names each column's key in them."""
        names = [column.name for column in self.columns if column.name in keys]
        schema = pa.schema(
            [(keys[c.name], _read_type(c.type)) for c in self.columns if c.name in keys]
        )
        return self._read(data, rows, schema, names)

    def _read(self, data: bytes, rows: int, schema: pa.Schema, names: list[str]) -> pa.RecordBatch:
        table = pj.read_json(
            pa.BufferReader(data),  # type: ignore[arg-type]  # any input file will do
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 64),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
        if table.num_rows != rows:
            raise pa.ArrowInvalid(f"{table.num_rows} records instead of {rows}")
        found = dict(zip(names, table.columns, strict=True))
        arrays: list[Array] = []
        for column in self.columns:
            chunks = found.get(column.name)
            if chunks is None:
                arrays.append(pa.nulls(rows, column.type))
            else:
                array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
                arrays.append(_land(array, column.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.layout.schema)


def is_temporal(kind: DataType) -> bool:
    """Whether the column is read as text and cast: the reader itself ignores offsets."""
    return pa.types.is_temporal(kind)


def cast_temporal(texts: Array, kind: DataType) -> Array:
    """Text to timestamp, date or time; strict about offsets, digits lost are an error.

    An offset is required where the type has a zone and refused where it has none. Raises
    pa.ArrowInvalid.
    """
    if pa.types.is_time(kind):  # Arrow has no cast from text to time
        moments = pc.binary_join_element_wise("1970-01-01T", texts, "")
        return pc.cast(pc.cast(moments, pa.timestamp("us")), kind)
    return pc.cast(texts, kind)


def _direct_type(column: Column) -> DataType:
    match column.role:
        case "json":
            return _EMPTY_STRUCT  # only {} can be told without its text; the rest is patched
        case "number":
            return _NOTHING  # pyarrow gives no text of a number: a value sends the group round
        case _:
            return _read_type(column.type)


def _read_type(kind: DataType) -> DataType:
    if is_temporal(kind):
        return pa.string()
    if pa.types.is_null(kind):
        return _NOTHING
    if pa.types.is_list(kind):
        return pa.list_(_read_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([_read_field(kind.field(i)) for i in range(kind.num_fields)])
    return kind


def _read_field(field: Field) -> Field:
    if field.metadata and b"bronze.role" in field.metadata:
        return pa.field(field.name, _EMPTY_STRUCT)
    return pa.field(field.name, _read_type(field.type))


def _land(array: Array, kind: DataType) -> Array:
    if array.type == kind:
        return array
    if array.type == _NOTHING:
        if array.null_count < len(array):
            raise pa.ArrowInvalid("a value in a column that had none")
        return pa.nulls(len(array), kind)
    if array.type == _EMPTY_STRUCT:
        return pc.if_else(array.is_valid(), scalar("{}", pa.string()), scalar(None, pa.string()))
    if pa.types.is_string(array.type):
        return cast_temporal(array, kind)
    if pa.types.is_list(kind):
        values = _land(array.values, kind.value_type)
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, values, type=kind, mask=mask)
    children = [_land(array.field(i), kind.field(i).type) for i in range(kind.num_fields)]
    fields = [kind.field(i) for i in range(kind.num_fields)]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)


def _has_leaf(kind: DataType, leaf: DataType) -> bool:
    if pa.types.is_list(kind):
        return _has_leaf(kind.value_type, leaf)
    if pa.types.is_struct(kind):
        return any(_has_leaf(kind.field(i).type, leaf) for i in range(kind.num_fields))
    return bool(kind == leaf)
