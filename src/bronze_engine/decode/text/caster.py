"""Groups of texts to batches of the layout: new keys get columns, misfits go where drift goes.

    texts by key -> columns that there are -> (new keys, drift -> the layout grows) -> batch

A group whose keys are known and whose values fit costs its casts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.contracts import Decoded, Request, TextTypes
from bronze_engine.decode.columns import Columns
from bronze_engine.decode.rules import Rules, rules_of, start_layout
from bronze_engine.decode.text.infer import inferred_type
from bronze_engine.decode.text.values import cast_column, json_strings
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, schema_to_text
from bronze_engine.model.block import Reject
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.line import Line
from bronze_engine.model.text_rows import TextRows

__all__ = ["TextColumns"]

_EXCERPT: Final = 80
_STRING: Final = pa.string()


@final
class TextColumns:
    """Casts the groups of one run. Raises ConfigError (CFG001) for a type in `request.schema` that
    does not exist."""

    def __init__(self, request: Request, types: TextTypes) -> None:
        self._rules = rules_of(request.schema, request.base)
        self._start = start_layout(request.base, self._rules)
        self._infers = types == "infer"

    def cast(self, rows: TextRows, layout: Layout | None, /) -> Decoded:
        """See `contracts.TextCaster`."""
        group = _Group(rows, self._start if layout is None else layout, self._rules)
        return group.cast(infers=self._infers)


@final
class _Group:
    def __init__(self, rows: TextRows, layout: Layout, rules: Rules) -> None:
        self._rows = rows
        self._layout = layout
        self._rules = rules
        self._count = rows.batch.num_rows
        self._lines: Sequence[Line] | None = None
        self._arrays: dict[str, Array] = {}
        """By name of the column."""
        self._misfits: list[tuple[Column, Array, Array]] = []
        """Column, its texts, and which of them do not fit."""
        self._refused: dict[int, str] = {}

    def cast(self, *, infers: bool) -> Decoded:
        grown = self._grown(infers=infers)
        arrays = [
            self._arrays[field.name]
            if field.name in self._arrays
            else pa.nulls(self._count, field.type)
            for field in grown.schema
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=grown.schema)
        rejects = list(self._rows.rejects)
        kept: Array | None = None
        if self._refused:
            lines = self._places()
            rejects += [
                (place, lines[place].reject(reason)) for place, reason in self._refused.items()
            ]
            rejects.sort(key=lambda each: each[0])
            kept = pa.array(
                [place for place in range(self._count) if place not in self._refused], pa.int64()
            )
            batch = batch.take(kept)
        return Decoded(
            batch=batch,
            layout=grown,
            rejects=tuple(reject for _, reject in rejects),
            refuse=_refuser(self._rows.lines, kept),
        )

    def _grown(self, *, infers: bool) -> Layout:
        """Cast every column; returns the layout that has room for all of them."""
        known = {column.key: column for column in self._layout.columns() if column.key is not None}
        texts = dict(zip(self._rows.batch.schema.names, self._rows.batch.columns, strict=True))
        new: list[str] = []
        for key, array in texts.items():
            column = known.get(key)
            if column is None or pa.types.is_null(column.type):
                new.append(key)
            else:
                self._take(column, array)
        has_raw = any(column.role == "raw" for column in self._layout.columns())
        wants_raw = self._rules.raw and self._count > 0
        if not new and not self._misfits and (has_raw or not wants_raw):
            if wants_raw:
                self._add_raw(self._layout.columns())
            return self._layout
        columns = Columns(self._layout, self._rules)
        extras = [key for key in new if not self._admit(columns, key, texts[key], infers=infers)]
        self._drift(columns, extras, texts)
        if wants_raw:
            columns.add_raw()
        grown = columns.layout()
        if wants_raw:
            self._add_raw(grown.columns())
        return grown

    def _take(self, column: Column, texts: Array) -> None:
        if texts.type != _STRING:
            if texts.type == column.type:
                self._arrays[column.name] = texts  # its reader knew the type
                return
            texts = texts.cast(_STRING)
        printable = self._rules.type_of(column.key or "") is None
        values, misfit = cast_column(texts, column, printable=printable)
        self._arrays[column.name] = values
        if misfit is not None:
            self._misfits.append((column, texts, misfit))

    def _admit(self, columns: Columns, key: str, texts: Array, *, infers: bool) -> bool:
        """Give a key without a typed column one; False where there may be no more columns."""
        state = columns.states.get(key)
        if state is None:
            if self._rules.is_frozen and self._rules.type_of(key) is None:
                raise _outside_contract(key)
            state = columns.admit(key)
        if state is None:
            return False
        if pa.types.is_null(state.column.type):
            kind = inferred_type(texts) if infers else _STRING
            if pa.types.is_null(kind) and self._layout.is_settled:
                kind = _STRING
            state.column = msgspec.structs.replace(state.column, type=kind)
            if pa.types.is_null(kind):
                self._arrays[state.column.name] = pa.nulls(self._count)
                return True
        self._take(state.column, texts)
        return True

    def _drift(self, columns: Columns, extras: list[str], texts: dict[str, Array]) -> None:
        objects: list[tuple[str, Array, Array]] = [
            (key, texts[key].cast(_STRING), texts[key].is_valid()) for key in extras
        ]
        for column, array, misfit in self._misfits:
            if self._rules.on_drift == "fail":
                raise self._misfit_error(column, array, misfit)
            if self._rules.on_drift == "quarantine":
                self._refuse(column, array, misfit)
                continue
            variant = columns.variant_of(column)
            if variant is None:
                objects.append((column.key or column.name, array, misfit))
            else:
                self._arrays[variant] = json_strings(array, misfit)
            state = columns.states[column.key or ""]
            if self._rules.on_drift == "widen" and state is not None and not state.is_configured:
                state.column = _widened(state.column)
        if any(pc.any(wanted).as_py() for _, _, wanted in objects):
            self._arrays[columns.extra_column()] = _objects(objects, self._count)

    def _refuse(self, column: Column, texts: Array, misfit: Array) -> None:
        places: Array = pc.indices_nonzero(misfit)
        for place in places.to_pylist():
            self._refused.setdefault(place, _misfit(column, texts[place].as_py()))

    def _misfit_error(self, column: Column, texts: Array, misfit: Array) -> QualityError:
        place = pc.index(misfit, pa.scalar(True)).as_py()
        line = self._places()[place]
        where = f"in line {line.line}" if line.line is not None else f"at record {line.offset}"
        return QualityError(
            f"{_misfit(column, texts[place].as_py())}, {where} of file {line.page}; "
            + (
                'nothing was committed (contract = "freeze"); type the column in schema.columns,'
                ' or set schema.contract to "evolve" for one run'
                if self._rules.is_frozen
                else 'type the column in schema.columns, or set schema.on_drift to "variant"'
            ),
            column=column.name,
            page=line.page,
            offset=line.offset,
        )

    def _add_raw(self, columns: Sequence[Column]) -> None:
        name = next(column.name for column in columns if column.role == "raw")
        self._arrays[name] = pa.array([line.raw.decode() for line in self._places()], _STRING)

    def _places(self) -> Sequence[Line]:
        if self._lines is None:
            self._lines = self._rows.lines()
        return self._lines


def _refuser(
    lines: Callable[[], Sequence[Line]], kept: Array | None
) -> Callable[[Sequence[int], Sequence[str]], Sequence[Reject]]:
    def refuse(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
        found = lines()
        at = places if kept is None else [kept[place].as_py() for place in places]
        return [found[place].reject(reason) for place, reason in zip(at, reasons, strict=True)]

    return refuse


def _objects(parts: list[tuple[str, Array, Array]], count: int) -> Array:
    """One JSON object a row of the texts that no column takes; NULL for none."""
    rows: list[dict[str, str]] = [{} for _ in range(count)]
    for key, texts, wanted in parts:
        places: Array = pc.indices_nonzero(wanted)
        for place in places.to_pylist():
            rows[place][key] = texts[place].as_py()
    return pa.array([msgspec.json.encode(row).decode() if row else None for row in rows], _STRING)


def _widened(column: Column) -> Column:
    """The column, a text from the next partition on: that holds every value."""
    wider: Column = msgspec.structs.replace(column, type=_STRING, role="value", wider=None)
    text = schema_to_text(pa.schema([wider.field()]))
    return msgspec.structs.replace(column, wider=text)


def _misfit(column: Column, text: str) -> str:
    kind = column.type if column.role == "value" else column.role
    more = "..." if len(text) > _EXCERPT else ""
    return f"column {column.name!r} ({kind}) can't hold {text[:_EXCERPT]!r}{more}"


def _outside_contract(key: str) -> QualityError:
    return QualityError(
        f'column {key!r} is new, and contract = "freeze" takes no new columns; nothing was'
        ' committed; type it in schema.columns, or set schema.contract to "evolve" for one run',
        column=key,
    )
