"""Batches with types of their own to batches of the layout: the fold over what files declare.

    schemas of the group -> columns that there are -> (new ones, wider ones) -> values -> batch

While the layout is not settled a column becomes wide enough for every file; from then on a value
that does not fit goes where drift goes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.arrow.cast import cast_typed, json_of
from bronze_engine.decode.arrow.durations import told
from bronze_engine.decode.arrow.merge import merged
from bronze_engine.decode.columns import Columns
from bronze_engine.decode.rules import Rules, rules_of, start_layout
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType, Field, schema_to_text
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.types.landing import file_landing
from bronze_engine.model.types.row_text import (
    Origin,
    printed_rejects,
    printed_rows,
    printed_values,
)

__all__ = ["ArrowDecoder"]

_GROUP_BYTES: Final = 4 * 1024**2
"""What decoding costs is by the column, not by the row."""

_EXCERPT: Final = 80


@final
class ArrowDecoder:
    """Decodes blocks that hold a batch each, which may differ in their columns."""

    def __init__(self, request: Request) -> None:
        self._rules = rules_of(request.schema, request.base)
        self._start = start_layout(request.base, self._rules)

    @property
    def least_group_bytes(self) -> int:
        return _GROUP_BYTES

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group. Raises QualityError for drift under `on_drift = "fail"` and under
        `contract = "freeze"`, and for a type that can't land."""
        return _Group(blocks, self._start if layout is None else layout, self._rules).decode()


@final
class _Group:
    def __init__(self, blocks: Sequence[Block], layout: Layout, rules: Rules) -> None:
        self._blocks = [block for block in blocks if block.batch is not None]
        self._layout = layout
        self._rules = rules
        self._columns = Columns(layout, rules)
        self._rejects: list[Reject] = []
        self._origins: list[Origin] = []

    def decode(self) -> Decoded:
        for schema in self._schemas():
            for field in schema:
                self._make_room(field)
        parts = [
            self._landed(block, block.batch) for block in self._blocks if block.batch is not None
        ]
        grown = self._columns.layout()
        batches = [
            pa.RecordBatch.from_arrays(
                [arrays.get(each.name, pa.nulls(rows, each.type)) for each in grown.schema],
                schema=grown.schema,
            )
            for arrays, rows in parts
        ]
        found = pa.Table.from_batches(batches, grown.schema).combine_chunks().to_batches()
        none: list[Array] = [pa.nulls(0, field.type) for field in grown.schema]
        whole = found[0] if found else pa.RecordBatch.from_arrays(none, schema=grown.schema)
        origins = tuple(self._origins)

        def refuse(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
            return printed_rejects(whole, origins, places, reasons)

        return Decoded(batch=whole, layout=grown, rejects=tuple(self._rejects), refuse=refuse)

    def _schemas(self) -> list[pa.Schema]:
        """The schemas of the group's batches, each once where it follows itself."""
        found: list[pa.Schema] = []
        for block in self._blocks:
            assert block.batch is not None  # noqa: S101  # the others were left out
            if not found or found[-1] != block.batch.schema:
                found.append(block.batch.schema)
        return found

    def _make_room(self, field: Field) -> None:
        """Give the field a column that is wide enough, as far as that can still be had."""
        key = field.name
        usual = file_landing(field)
        if usual is None:
            raise QualityError(
                f"column {key!r} has the type {field.type}, which can't land as it is; write it as"
                " another type, or as text",
                column=key,
            )
        unit = field.type.unit if pa.types.is_duration(field.type) else None
        state = self._columns.states.get(key)
        if state is None:
            if key in self._columns.states:
                return  # there may be no more columns
            if self._rules.is_frozen and self._rules.type_of(key) is None:
                raise QualityError(
                    f'column {key!r} is new, and contract = "freeze" takes no new columns; nothing'
                    " was committed; type it in schema.columns, or set schema.contract to"
                    ' "evolve" for one run',
                    column=key,
                )
            state = self._columns.admit(key)
            if state is not None and not state.is_configured:
                kind = pa.string() if _is_open(usual) and self._layout.is_settled else usual
                role = state.column.role
                if isinstance(field.type, pa.BaseExtensionType) and pa.types.is_string(usual):
                    role = "json"
                state.column = msgspec.structs.replace(state.column, type=kind, role=role)
            if state is not None and not _is_open(usual):
                state.column = msgspec.structs.replace(state.column, unit=unit)
            return
        if state.is_configured and state.column.unit is None and unit is not None:
            state.column = msgspec.structs.replace(state.column, unit=unit)
        is_open = not self._layout.is_settled and not self._rules.is_frozen
        if is_open and not state.is_configured and state.column.role == "value":
            column = state.column
            if _is_open(column.type):
                column = msgspec.structs.replace(column, unit=unit)
            if (column.unit is None) == (unit is None):  # else numbers, and durations
                kind = merged(column.type, usual)
                state.column = msgspec.structs.replace(column, type=kind)

    def _landed(self, block: Block, batch: pa.RecordBatch) -> tuple[dict[str, Array], int]:
        """The arrays of one batch by the names of their columns, and how many rows are left."""
        arrays: dict[str, Array] = {}
        refused: dict[int, str] = {}
        extras: list[tuple[str, Array, Array]] = []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            state = self._columns.states[field.name]
            if state is None:
                extras.append((field.name, array, array.is_valid()))
                continue
            values, misfit = cast_typed(array, state.column, is_configured=state.is_configured)
            arrays[state.column.name] = values
            if misfit is not None and pc.any(misfit).as_py():
                self._drift(block, state.column, array, misfit, arrays, refused, extras)
        rows = batch.num_rows
        if extras and any(pc.any(wanted).as_py() for _, _, wanted in extras):
            arrays[self._columns.extra_column()] = _objects(extras, rows)
        kept: list[int] | None = None
        if refused:
            places = sorted(refused)
            for place, raw in zip(places, printed_rows(batch, places), strict=True):
                offset = block.offset + place
                self._rejects.append(
                    Reject(reason=refused[place], page=block.page, offset=offset, raw=raw)
                )
            kept = [place for place in range(rows) if place not in refused]
            at = pa.array(kept, pa.int64())
            arrays = {name: array.take(at) for name, array in arrays.items()}
            rows = len(kept)
        if rows:
            self._origins.append(Origin(block.page, block.offset, rows, kept))
        return arrays, rows

    def _drift(
        self,
        block: Block,
        column: Column,
        array: Array,
        misfit: Array,
        arrays: dict[str, Array],
        refused: dict[int, str],
        extras: list[tuple[str, Array, Array]],
    ) -> None:
        rules = self._rules
        if rules.on_drift == "fail":
            place = pc.index(misfit, pa.scalar(True)).as_py()
            raise QualityError(
                f"{_told(column, array, place)}, at record {block.offset + place} of file"
                f" {block.page}; nothing was committed; type the column in schema.columns, or set"
                ' schema.on_drift to "variant"',
                column=column.name,
                page=block.page,
                offset=block.offset + place,
            )
        if rules.on_drift == "quarantine":
            wanted: list[Any] = pc.indices_nonzero(misfit).to_pylist()
            for place in wanted:
                refused.setdefault(place, _told(column, array, place))
            return
        variant = self._columns.variant_of(column)
        if variant is None:
            extras.append((column.key or column.name, array, misfit))
        else:
            arrays[variant] = json_of(array, misfit)
        state = self._columns.states[column.key or ""]
        if rules.on_drift == "widen" and state is not None and not state.is_configured:
            state.column = _widened(column, file_landing(pa.field("", array.type)))


def _is_open(kind: DataType) -> bool:
    """A column of nothing but nulls, which lands as text once the layout is settled."""
    return bool(pa.types.is_null(kind))


def _widened(column: Column, other: DataType | None) -> Column:
    """The column, of a type that holds both from the next partition on."""
    kind = column.type if other is None else merged(column.type, other)
    kind = pa.string() if kind == column.type else kind
    wider: Column = msgspec.structs.replace(column, type=kind, wider=None)
    return msgspec.structs.replace(column, wider=schema_to_text(pa.schema([wider.field()])))


def _objects(parts: Sequence[tuple[str, Array, Array]], count: int) -> Array:
    """One JSON object a row of the values that no column takes; NULL for none."""
    rows: list[list[str]] = [[] for _ in range(count)]
    for key, array, wanted in parts:
        texts = json_of(array, wanted)
        places: list[Any] = pc.indices_nonzero(wanted).to_pylist()
        for place in places:
            rows[place].append(f"{json.dumps(key, ensure_ascii=False)}:{texts[place].as_py()}")
    return pa.array([f"{{{','.join(row)}}}" if row else None for row in rows], pa.string())


def _told(column: Column, array: Array, place: int) -> str:
    if pa.types.is_duration(array.type):
        return f"column {column.name!r} ({column.type}) can't hold {told(array[place])}"
    text = str(printed_values(array.slice(place, 1))[0])
    more = "..." if len(text) > _EXCERPT else ""
    return f"column {column.name!r} ({column.type}) can't hold {text[:_EXCERPT]}{more}"
