"""JSON lines to Arrow by a layout, in C++: pyarrow's reader told every type beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Final, NamedTuple, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from bronze_engine.decode.rules import Rules
from bronze_engine.decode.texts import Cutter, string_array, tidy
from bronze_engine.decode.tree import Tree
from bronze_engine.decode.typed import (
    cast_temporal,
    cast_texts,
    instants_of,
    is_epoch,
    is_temporal,
    takes_texts,
)
from bronze_engine.model.arrow import Array, DataType, Field, scalar
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.path import key_path, outer_keys

__all__ = ["Read", "Reader"]

_EMPTY_STRUCT: Final = pa.struct([])
_NOTHING: Final = pa.bool_()
"""What a column without values is read as. pyarrow 26 makes arrays of wrong length of nulls in
lists when told pa.null(); `_land` refuses what is not null."""
_DIGITS_OF_128_BITS: Final = 38
_DIGITS_OF_256_BITS: Final = 76
_OBJECT: Final = re.compile(rb"[ \t\r]*\{")
_FIRST_OF_NUMBERS: Final = frozenset(b"-0123456789")


class Read(NamedTuple):
    batch: pa.RecordBatch
    data: bytes
    """What the reader saw: the lines, without the values that were cut out as texts."""


class _Plan(NamedTuple):
    """One way to read a layout; all of them give the same, or refuse."""

    tree: Tree
    cutter: Cutter | None
    texts: frozenset[str]
    """Names of columns whose numbers come as texts."""


@final
class Reader:
    """Reads groups of one layout; made once a layout, and then free of state that shows."""

    def __init__(self, layout: Layout, rules: Rules) -> None:
        self.layout = layout
        self._rules = rules
        self.columns = layout.columns()
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
                if column.key is None or rules.type_of(column.key) is None
            ]
        )
        """Places of the columns whose integers could still become doubles."""
        self._plans = self._make_plans()
        self._liked = 0
        """The plan that the last group was read by: the next one is likely alike."""

    def read(self, data: bytes, rows: int) -> Read:
        """Records as they came. Raises pa.ArrowInvalid where anything at all is unexpected.

        What the reader does not notice (long numbers in double columns, bytes that are no
        UTF-8) is the caller's to check.
        """
        liked = self._liked
        order = [liked, *(at for at in range(len(self._plans)) if at != liked)]
        for at in order[:-1]:
            try:
                found = self._read_by(self._plans[at], data, rows)
            except pa.ArrowInvalid:
                continue
            self._liked = at
            return found
        found = self._read_by(self._plans[order[-1]], data, rows)
        self._liked = order[-1]
        return found

    def read_patched(self, data: bytes, rows: int, keys: Mapping[str, str]) -> pa.RecordBatch:
        """Records that the exact path has made fit; `keys` names each column's key in them."""
        types = {
            c.name: ((keys[c.name],), _patched_type(c)) for c in self.columns if c.name in keys
        }
        tree = Tree(types)
        found = tree.columns(_parse(data, rows, tree.schema))
        arrays = [
            pa.nulls(rows, column.type)
            if column.name not in found
            else found[column.name].cast(column.type)
            if is_epoch(column.role)  # counted in the column's own unit already
            else _land(found[column.name], column.type)
            for column in self.columns
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.layout.schema)

    def _make_plans(self) -> list[_Plan]:
        is_flat = self._rules.flatten is not None
        keyed = [(column, column.key) for column in self.columns if column.key is not None]
        opened = {outer for _, key in keyed for outer in outer_keys(key)} if is_flat else set()
        paths = {
            column.name: key_path(key) if is_flat else (key,)
            for column, key in keyed
            if key not in opened
        }
        there = [column for column, _ in keyed if column.name in paths]
        cut = {
            c.name: paths[c.name]
            for c in there
            if c.role in ("json", "number", "text") and Cutter.takes(paths[c.name])
        }
        texts = frozenset(
            column.name
            for column, key in keyed
            if column.name in paths
            and takes_texts(column.type, column.role)
            and (is_epoch(column.role) or self._rules.type_of(key) is not None)
        )
        plans = []
        for as_texts, is_cut in product((False, True) if texts else (False,), (False, True)):
            if is_cut and not cut:
                continue
            types = {
                c.name: (
                    paths[c.name],
                    pa.int64()
                    if is_cut and c.name in cut
                    else pa.string()
                    if as_texts and c.name in texts
                    else _direct_type(c),
                )
                for c in there
            }
            plans.append(
                _Plan(
                    Tree(types),
                    Cutter(cut) if is_cut else None,
                    texts if as_texts else frozenset(),
                )
            )
        return plans

    def _read_by(self, plan: _Plan, data: bytes, rows: int) -> Read:
        cut: dict[str, list[bytes]] = {}
        if plan.cutter is not None:
            try:
                data, cut = plan.cutter.cut(data)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
                raise pa.ArrowInvalid(str(exc)) from exc
        found = plan.tree.columns(_parse(data, rows, plan.tree.schema))
        arrays: list[Array] = []
        for column in self.columns:
            name = column.name
            array = found.get(name)
            if array is None:
                array = pa.nulls(rows, column.type)
            elif name in cut:
                array = string_array(self._landed_texts(cut[name], column), array.is_valid())
            elif name in plan.texts:
                array = _land_numbers(array, column)
            elif is_epoch(column.role):
                array = instants_of(array, column.role, column.type)
            else:
                array = _land(array, column.type)
            arrays.append(array)
        return Read(pa.RecordBatch.from_arrays(arrays, schema=self.layout.schema), data)

    def _landed_texts(self, texts: list[bytes], column: Column) -> list[bytes]:
        if column.role == "number":
            if not all(text[0] in _FIRST_OF_NUMBERS for text in texts if text):
                raise pa.ArrowInvalid(f"a value in {column.name!r} that is no number")
            return texts
        if column.role == "text":
            return [_said(text, column.name) for text in texts]
        texts = [tidy(text) if text[:1] == b"{" else text for text in texts]
        flatten = self._rules.flatten
        if flatten is None or column.key is None or not flatten.opens(key_path(column.key)):
            return texts
        if any(text[:1] == b"{" and text != b"{}" for text in texts):
            raise pa.ArrowInvalid(f"an object in {column.name!r}, which has columns of its own")
        return texts


def _parse(data: bytes, rows: int, schema: pa.Schema) -> pa.Table:
    if _OBJECT.match(data) is None:  # pyarrow 26 ends the process where the first record is null
        raise pa.ArrowInvalid("a record that is no object")
    table = pj.read_json(
        pa.BufferReader(data),  # type: ignore[arg-type]  # any input file will do
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 64),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
    if table.num_rows != rows:
        raise pa.ArrowInvalid(f"{table.num_rows} records instead of {rows}")
    return table


def _said(text: bytes, name: str) -> bytes:
    """What a string says, and the text of a number or a boolean."""
    if text[:1] == b'"':
        return msgspec.json.decode(text, type=str).encode()
    if text[:1] in (b"{", b"["):
        raise pa.ArrowInvalid(f"an object or a list in {name!r}, which holds strings")
    return text


def _direct_type(column: Column) -> DataType:
    match column.role:
        case "json":
            return _EMPTY_STRUCT  # only {} can be told without its text; the rest is cut out
        case "number":
            return _NOTHING  # pyarrow gives no text of a number: it is cut out
        case _:
            kind = _patched_type(column)
            return _roomy(kind) if pa.types.is_decimal(kind) else kind


def _roomy(kind: DataType) -> DataType:
    """What a column of decimals is read as, so that no digit is lost before they are counted.

    pyarrow's reader takes as many digits as the precision says, multiplies them by as many tens
    as the scale, and does not look whether that is past 128 or 256 bits.
    """
    if kind.precision + kind.scale <= _DIGITS_OF_128_BITS:
        return kind
    room = _DIGITS_OF_256_BITS - kind.scale
    return pa.decimal256(room, kind.scale) if room > 0 else _NOTHING


def _patched_type(column: Column) -> DataType:
    return pa.int64() if is_epoch(column.role) else _read_type(column.type)


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


def _land_numbers(texts: Array, column: Column) -> Array:
    if is_epoch(column.role):
        return instants_of(cast_texts(texts, pa.int64()), column.role, column.type)
    return cast_texts(texts, column.type)


def _land(array: Array, kind: DataType) -> Array:
    if pa.types.is_decimal(array.type):
        array.validate(full=True)  # the reader counts the digits sent, not those that scale adds
        return array.cast(kind)
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
