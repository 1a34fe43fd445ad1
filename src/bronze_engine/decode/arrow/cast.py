"""The values of one column as its type, and which of them do not fit."""

from __future__ import annotations

import json
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.arrow.durations import counted, told
from bronze_engine.decode.arrow.merge import is_truth_for_number, loses_fields
from bronze_engine.decode.text.values import cast_column
from bronze_engine.decode.typed import is_epoch
from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.layout import Column
from bronze_engine.model.types.convert import can_convert, convert
from bronze_engine.model.types.row_text import printed_at

__all__ = ["cast_typed", "json_of"]

_STRING: Final = pa.string()
_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def cast_typed(array: Array, column: Column, *, is_configured: bool) -> tuple[Array, Array | None]:
    """The values as the column's type, NULL where one does not fit, and a mask of those.

    A text is a number or a time as it is in files of text: of a column that nobody has typed only
    where it can be printed again from it, and of one that somebody has a number may be a truth.
    """
    kind = column.type
    if pa.types.is_duration(array.type):
        ticks, uncounted = counted(array, column.unit)
        plain = msgspec.structs.replace(column, unit=None)
        values, misfit = cast_typed(ticks, plain, is_configured=is_configured)
        return values, uncounted if misfit is None else pc.or_(uncounted, misfit)
    if column.unit is not None or (
        is_truth_for_number(array.type, kind) and (not is_configured or pa.types.is_nested(kind))
    ):
        return pa.nulls(len(array), kind), array.is_valid()
    array = _plain(array)
    if _is_text(array.type) and (is_epoch(column.role) or _is_said_by_texts(kind)):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return pa.nulls(len(array), kind), array.is_valid()
        return cast_column(array.cast(_STRING), column, printable=not is_configured)
    if array.type == kind and column.role == "value":
        try:
            array.validate(full=True)  # texts that are no UTF-8, decimals of too many digits
        except pa.ArrowInvalid:
            return _split(array, column)
        return array, None
    if column.role == "variant" or not _may_fit(array, column):
        return pa.nulls(len(array), kind), array.is_valid()
    try:
        return _converted(array, column), None
    except pa.ArrowException:
        return _split(array, column)


def _plain(array: Array) -> Array:
    """Extension types as what they are stored as, views of lists as lists, texts as such."""
    kind = array.type
    if pa.types.is_run_end_encoded(kind) and _is_text(kind.value_type):
        return pc.call_function("run_end_decode", [array])
    if isinstance(kind, pa.BaseExtensionType):
        return array.storage
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return _list_of_view(array)
    return array


def _is_text(kind: DataType) -> bool:
    return any(is_so(kind) for is_so in _TEXTS)


def _is_said_by_texts(kind: DataType) -> bool:
    """Whether a text may say a value of a type that is none itself."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _list_of_view(array: Array) -> Array:
    """Arrow's own cast misreads views that begin within another array (pyarrow 26)."""
    known: Array = pc.list_value_length(array)
    lengths: Array = pc.fill_null(known.cast(pa.int64()), pa.scalar(0, pa.int64()))
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends]).cast(pa.int32())
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(offsets, array.flatten(), mask=mask)


def _may_fit(array: Array, column: Column) -> bool:
    if loses_fields(array.type, column.type):
        return False
    role = "value" if column.role in ("text", "number") else column.role
    return can_convert(array.type, column.type, role)


def _converted(array: Array, column: Column) -> Array:
    role = "value" if column.role in ("text", "number") else column.role
    found = convert(array, column.type, role)
    found.validate(full=True)
    return found


def _split(array: Array, column: Column) -> tuple[Array, Array]:
    """By halves, because few values do not fit where the types do."""
    try:
        return _converted(array, column), pa.repeat(pa.scalar(False), len(array))
    except pa.ArrowException:
        if len(array) == 1:
            return pa.nulls(1, column.type), pa.repeat(pa.scalar(True), 1)
    half = len(array) // 2
    parts = [_split(_part(array, 0, half), column), _split(_part(array, half), column)]
    values, misfits = zip(*parts, strict=True)
    return pa.concat_arrays(values), pa.concat_arrays(misfits)


def _part(array: Array, start: int, length: int | None = None) -> Array:
    """A slice; of lists and structs a copy, as Arrow judges all that lies behind a slice."""
    part = array.slice(start, length)
    if not pa.types.is_nested(part.type):
        return part
    try:
        return part.take(pa.array(range(len(part)), pa.int64()))
    except pa.ArrowNotImplementedError:  # of views of texts within it
        return part


def json_of(array: Array, wanted: Array) -> Array:
    """The JSON text of the wanted values, NULL for the others."""
    places: Array = pc.indices_nonzero(wanted)
    texts: list[str | None] = [None] * len(array)
    if pa.types.is_duration(array.type):
        values: list[object] = list(map(told, array.take(places)))
    else:
        values = printed_at(_plain(array), places)
    for place, value in zip(places.to_pylist(), values, strict=True):
        texts[place] = json.dumps(value, default=str, ensure_ascii=False)
    return pa.array(texts, _STRING)
