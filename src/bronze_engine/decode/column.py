"""One column during one group on the exact path: its type so far, and what fits it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.decode.record import JsonText, Number
from bronze_engine.decode.shape import PLAIN, Kind, Shape, is_inferred
from bronze_engine.decode.typed import (
    cast_temporal,
    decimal_text,
    epoch_count,
    integer_text,
    is_epoch,
    plain_text,
    takes_texts,
)
from bronze_engine.model.arrow import DataType, schema_from_text, schema_to_text, text_array
from bronze_engine.model.layout import Column, settled_column

__all__ = ["FITS", "MISFIT", "TEXT", "ColumnState", "Verdict"]

Verdict = Literal["fits", "text", "misfit"] | bytes
"""Whether a value goes into its column as it is, as the text of itself, not at all, or as
other JSON: the number that a text says, plain decimal text, the count of an epoch."""

FITS: Final = "fits"
TEXT: Final = "text"
MISFIT: Final = "misfit"


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
        if self.was_null and shape.is_any_too_deep():
            self.become_text()
            return
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
            return self._judge_value(value)
        if role == "json":
            return TEXT
        if is_epoch(role):
            return epoch_count(value, role) or MISFIT
        if type(value) is str:
            return FITS if role == "text" else MISFIT
        if type(value) in (dict, list, JsonText):
            return MISFIT
        return MISFIT if role == "number" and type(value) is bool else TEXT

    def _judge_value(self, value: Any) -> Verdict:
        kind = self.column.type
        if self.is_configured and type(value) is str and takes_texts(kind, "value"):
            return plain_text(value, kind) or MISFIT
        shape = self.shape
        if shape is not None:
            return FITS if shape.fits(value) else MISFIT
        if pa.types.is_decimal(kind):
            text = decimal_text(value, kind)
            # The reader takes an exponent at its word: 1000e-3 asks for a scale of 3.
            return MISFIT if text is None else FITS if type(value) is int else b'"%s"' % text
        if pa.types.is_integer(kind):
            return integer_text(value, kind) or MISFIT
        return FITS if type(value) is str and value not in self._bad_texts else MISFIT

    def become_text(self) -> None:
        """The first value is an object or a list, and is kept as JSON text."""
        self.column = msgspec.structs.replace(self.column, type=pa.string(), role="json", big=False)
        self.shape = None
        self.learns = False

    def widened(self) -> Column:
        """The column, with what would have held its misfits too recorded for the next partition."""
        start = self.column
        if start.wider is not None:
            start = Column.parse(schema_from_text(start.wider).field(0))
        wider = _widest(start, self.misfits)
        text = schema_to_text(pa.schema([msgspec.structs.replace(wider, wider=None).field()]))
        return msgspec.structs.replace(self.column, wider=text)


def _is_typed(kind: DataType) -> bool:
    """Whether inference never gives this type, so that no shape stands for it."""
    return not is_inferred(kind)


def _casts(texts: list[str], kind: DataType) -> bool:
    try:
        cast_temporal(text_array(texts), kind)
    except pa.ArrowInvalid:
        return False
    return True


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
