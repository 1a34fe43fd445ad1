"""The columns of one group on the exact path: what is known, what is new, what does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.decode.reader import cast_temporal, is_temporal
from bronze_engine.decode.record import Number
from bronze_engine.decode.shape import PLAIN, Kind, Shape
from bronze_engine.decode.stamp import STAMP_COLUMNS
from bronze_engine.decode.types import parse_type
from bronze_engine.model.arrow import DataType, schema_from_text, schema_to_text
from bronze_engine.model.layout import (
    EXTRA_COLUMN,
    MAX_NEW_COLUMNS,
    VARIANT_SUFFIX,
    Column,
    Layout,
    Role,
    settled_column,
)

__all__ = ["ColumnState", "Columns", "Types", "Verdict", "start_layout"]

Verdict = Literal["fits", "text", "decimal", "misfit"]
"""Whether a value goes into its column as it is, as the text of itself, as plain decimal text,
or not at all."""

Types = dict[str, tuple[DataType, Role]]
"""Configured types by key."""

_RESERVED: Final = frozenset({*STAMP_COLUMNS, EXTRA_COLUMN, "_raw"})
_DECIMAL_TEXT: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)


def start_layout(base: Layout | None, types: dict[str, str]) -> tuple[Layout, Types]:
    """The layout before the first group, and the configured types.

    A base column whose key the configuration types takes that type: the configuration is
    newer. Raises ConfigError for a type that does not exist.
    """
    parsed = {key: parse_type(key, text) for key, text in types.items()}
    if base is None:
        return Layout(version=0, schema=pa.schema([])), parsed
    fields = []
    for column in base.columns():
        if column.key is not None and column.key in parsed:
            kind, role = parsed[column.key]
            fields.append(msgspec.structs.replace(column, type=kind, role=role).field())
        else:
            fields.append(column.field())
    return msgspec.structs.replace(base, schema=pa.schema(fields), known=len(fields)), parsed


@final
class ColumnState:
    """One key of the source during one group."""

    __slots__ = ("_bad_texts", "column", "is_configured", "learns", "misfits", "shape", "was_null")

    def __init__(
        self, column: Column, *, is_fixed: bool, learns: bool, is_configured: bool
    ) -> None:
        self.column = column
        self.is_configured = is_configured
        self.learns = learns and column.role == "value" and not is_configured
        self.shape = (
            Shape.of(column.type, is_fixed=is_fixed, has_big=column.big)
            if column.role == "value" and not _is_typed(column.type)
            else None
        )
        self.was_null = pa.types.is_null(column.type)
        self.misfits: list[Any] = []
        self._bad_texts: frozenset[str] = frozenset()

    def decide(self, *, is_settled: bool) -> None:
        """Fix the type for this group, after the last value has been observed."""
        shape = self.shape
        if not self.learns or shape is None:
            return
        shape.finish()
        if self.was_null and shape.is_beyond_numbers():
            change: Column = msgspec.structs.replace(
                self.column, type=pa.string(), role="number", big=False
            )
            self.shape = None
        else:
            change = msgspec.structs.replace(
                self.column,
                type=shape.arrow(),
                big=not is_settled and (self.column.big or shape.is_any_big()),
            )
        self.column = settled_column(change) if is_settled else change
        if is_settled and self.shape is not None:
            self.shape = (
                Shape.of(self.column.type, is_fixed=True) if self.column.role == "value" else None
            )

    def plain_type(self) -> type | None:
        """The Python type whose every value fits, so that `judge` need not be asked."""
        if self.column.role == "text":
            return str
        return None if self.shape is None else PLAIN.get(self.shape.kind)

    def check_texts(self, values: Iterable[Any]) -> None:
        """Find the texts that do not parse as this column's timestamp, date or time."""
        texts = [value for value in values if type(value) is str]
        if _casts(texts, self.column.type):
            return
        bad = {text for text in set(texts) if not _casts([text], self.column.type)}
        self._bad_texts = frozenset(bad)

    def judge(self, value: Any) -> Verdict:
        """How the value, which is not None, goes into this column."""
        role = self.column.role
        if role == "value":
            shape = self.shape
            if shape is not None:
                return "fits" if shape.fits(value) else "misfit"
            if pa.types.is_decimal(self.column.type):
                return _judge_decimal(value, self.column.type)
            return "fits" if type(value) is str and value not in self._bad_texts else "misfit"
        if role == "json":
            return "text"
        if type(value) is str:
            return "fits" if role == "text" else "misfit"
        if type(value) in (dict, list):
            return "misfit"
        return "misfit" if role == "number" and type(value) is bool else "text"

    def decimal_text(self, value: Any) -> str:
        """A number or text that fits this decimal column, without exponent or idle zeros."""
        number = _decimal(value)
        text = "0" if number is None else f"{number:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def widened(self) -> Column:
        """The column, with what would have held its misfits too recorded for the next partition."""
        start = self.column
        if start.wider is not None:
            start = Column.parse(schema_from_text(start.wider).field(0))
        wider = _widest(start, self.misfits)
        text = schema_to_text(pa.schema([msgspec.structs.replace(wider, wider=None).field()]))
        return msgspec.structs.replace(self.column, wider=text)


@final
class Columns:
    """The layout of one group, growing. Keys get columns in the order of first sight."""

    def __init__(self, layout: Layout, types: Types) -> None:
        self._before = layout
        self._types = types
        self._columns = layout.columns()
        self._taken = {name.casefold() for name in [*_RESERVED, *layout.schema.names]}
        self._places: dict[str, int] = {}
        self._variants: dict[str, str] = {}
        self._grown = layout.grown
        self.states: dict[str, ColumnState | None] = {}
        """By key; None for keys that have no column and go to the extra one."""
        self.extra: str | None = None
        for place, column in enumerate(self._columns):
            if column.of is not None:
                self._variants[column.of] = column.name
            elif column.key is None:
                self.extra = column.name
            else:
                self._places[column.key] = place
                self.states[column.key] = ColumnState(
                    column,
                    is_fixed=place < layout.known,
                    learns=not layout.is_settled,
                    is_configured=column.key in types,
                )

    def admit(self, key: str) -> ColumnState | None:
        """A key seen for the first time: its new column, or None when there may be no more."""
        if not self._may_grow():
            self.states[key] = None
            return None
        kind, role = self._types.get(key, (pa.null(), "value"))
        column = Column(name=self._name(key), type=kind, key=key, role=role)
        self._places[key] = len(self._columns)
        self._columns.append(column)
        state = ColumnState(column, is_fixed=False, learns=True, is_configured=key in self._types)
        self.states[key] = state
        return state

    def decide(self) -> None:
        """Fix the type of every column for this group."""
        for state in self.states.values():
            if state is not None:
                state.decide(is_settled=self._before.is_settled)

    def variant_of(self, column: Column) -> str | None:
        """The column for misfits of `column`; None when there may be no more columns."""
        name = self._variants.get(column.name)
        if name is None and self._may_grow():
            name = self._unique(column.name + VARIANT_SUFFIX)
            self._variants[column.name] = name
            self._columns.append(
                Column(name=name, type=pa.string(), key=None, role="variant", of=column.name)
            )
        return name

    def extra_column(self) -> str:
        """The column for keys without one."""
        if self.extra is None:
            self.extra = EXTRA_COLUMN
            self._columns.append(
                Column(name=EXTRA_COLUMN, type=pa.string(), key=None, role="extra")
            )
        return self.extra

    def layout(self) -> Layout:
        """The layout after this group; the very one given if nothing changed."""
        for key, place in self._places.items():
            state = self.states[key]
            if state is not None:
                self._columns[place] = state.widened() if state.misfits else state.column
        before = self._before
        schema = pa.schema([column.field() for column in self._columns])
        if schema.equals(before.schema, check_metadata=True):
            return before
        return Layout(
            version=before.version + 1,
            schema=schema,
            is_settled=before.is_settled,
            grown=self._grown,
            known=before.known,
        )

    def _may_grow(self) -> bool:
        if not self._before.is_settled:
            return True
        if self._grown >= MAX_NEW_COLUMNS:
            return False
        self._grown += 1
        return True

    def _name(self, key: str) -> str:
        name = key
        number = 2
        while name.casefold() in self._taken or name.casefold().endswith(VARIANT_SUFFIX):
            name = f"{key}_{number}"
            number += 1
        self._taken.add(name.casefold())
        return name

    def _unique(self, wanted: str) -> str:
        name = wanted
        number = 2
        while name.casefold() in self._taken:
            name = f"{wanted}_{number}"
            number += 1
        self._taken.add(name.casefold())
        return name


def _is_typed(kind: DataType) -> bool:
    return is_temporal(kind) or pa.types.is_decimal(kind)


def _casts(texts: list[str], kind: DataType) -> bool:
    try:
        cast_temporal(pa.array(texts, pa.string()), kind)
    except pa.ArrowInvalid:
        return False
    return True


def _judge_decimal(value: Any, kind: DataType) -> Verdict:
    number = _decimal(value)
    if number is None:
        return "misfit"
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    trimmed = text.rstrip("0")
    scale = -int(exponent) - (len(text) - len(trimmed))
    whole = len(trimmed.lstrip("0")) - scale
    if trimmed and (scale > kind.scale or whole > kind.precision - kind.scale):
        return "misfit"
    # The reader takes an exponent at its word: 1000e-3 asks for a scale of 3.
    return "fits" if type(value) is int else "decimal"


def _decimal(value: Any) -> Decimal | None:
    match value:
        case bool():
            return None
        case int():
            return Decimal(value)
        case float():
            return Decimal(repr(value))
        case str() | Number():
            text = value if isinstance(value, str) else value.text
            return Decimal(text) if _DECIMAL_TEXT.fullmatch(text) else None
        case _:
            return None


def _widest(column: Column, misfits: list[Any]) -> Column:
    json_text: Column = msgspec.structs.replace(column, type=pa.string(), role="json", big=False)
    if column.role != "value" or _is_typed(column.type):
        return json_text
    shape = Shape.of(column.type, is_fixed=False)
    for value in misfits:
        shape.observe(value)
    shape.has_big = False
    shape.finish()
    if all(map(shape.fits, misfits)):
        return settled_column(msgspec.structs.replace(column, type=shape.arrow()))
    if shape.kind in (Kind.INT, Kind.DOUBLE) and all(
        type(value) in (int, float, Number) for value in misfits
    ):
        return msgspec.structs.replace(column, type=pa.string(), role="number", big=False)
    return json_text
