"""Rows as JSON text, for records that came as none: nothing is rounded, nothing left out."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise, repeat
from math import isfinite
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Reject
from bronze_engine.model.types.time_text import is_day_or_instant, time_texts

__all__ = ["Origin", "printed_at", "printed_rejects", "printed_rows", "printed_values"]

_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_LISTS: Final = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def printed_rows(batch: pa.RecordBatch, places: Sequence[int]) -> list[bytes]:
    """Some rows, each an object: what JSON has no form for is text, bytes are base64."""
    at = pa.array(places, pa.int64())
    columns = [printed_at(array, at) for array in batch.columns]
    names = batch.schema.names
    return [
        json.dumps(
            dict(zip(names, values, strict=True)), default=_text, ensure_ascii=False
        ).encode()
        for values in zip(*columns, strict=True)
    ]


class Origin(NamedTuple):
    """Where consecutive rows of a batch came from."""

    page: int
    offset: int
    """Of the first record of these within its page."""
    rows: int
    kept: Sequence[int] | None = None
    """Which of the records, from there, each row is; None where none was left out."""


def printed_rejects(
    batch: pa.RecordBatch,
    origins: Sequence[Origin],
    places: Sequence[int],
    reasons: Sequence[str],
) -> list[Reject]:
    """Rejects of some rows of a batch, whose places ascend."""
    rejects: list[Reject] = []
    rest = iter(origins)
    origin, begin = next(rest), 0
    for place, reason, raw in zip(places, reasons, printed_rows(batch, places), strict=True):
        while place >= begin + origin.rows:
            begin += origin.rows
            origin = next(rest)
        row = place - begin
        offset = origin.offset + (row if origin.kept is None else origin.kept[row])
        rejects.append(Reject(reason=reason, page=origin.page, offset=offset, raw=raw))
    return rejects


def printed_at(array: Array, places: Array) -> list[Any]:
    """The values at some places. Arrow takes none from runs, nor from views of texts and bytes
    (pyarrow 26)."""
    kind = array.type
    if pa.types.is_run_end_encoded(kind):
        array = pc.call_function("run_end_decode", [array])
    elif pa.types.is_string_view(kind):
        array = array.cast(pa.binary_view()).cast(pa.large_binary()).view(pa.large_string())
    elif pa.types.is_binary_view(kind):
        array = array.cast(pa.large_binary())
    return printed_values(array.take(places))


def printed_values(array: Array) -> list[Any]:
    """Values as `json` takes them: of decimals, times and fractions their text, of bytes base64,
    and of a text that is no UTF-8 {"base64": "..."}."""
    kind = array.type
    if pa.types.is_floating(kind):
        return list(array.cast(pa.string()).to_pylist())
    return _values(array)


def _values(array: Array) -> list[Any]:
    """Down to the leaves by Arrow's own types: Python has no instant before its year 1, nor one
    with nanoseconds."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _values(array.storage)
    if pa.types.is_dictionary(kind):
        return _values(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _values(pc.call_function("run_end_decode", [array]))
    if pa.types.is_struct(kind):
        return _objects(array)
    if pa.types.is_map(kind):
        pairs = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
        return _lists(array, _values(pairs), array.offsets.to_pylist())
    if any(is_so(kind) for is_so in _LISTS):
        lengths = pc.list_value_length(array).to_pylist()
        ends = accumulate((each or 0 for each in lengths), initial=0)
        return _lists(array, _values(array.flatten()), list(ends))
    if any(is_so(kind) for is_so in _BYTES):
        return [None if each is None else _text(each) for each in array.to_pylist()]
    if any(is_so(kind) for is_so in _TEXTS):
        as_bytes = pa.binary_view() if pa.types.is_string_view(kind) else pa.large_binary()
        return list(map(_text_or_bytes, array.cast(as_bytes).to_pylist()))
    return _plain_values(array)


def _plain_values(array: Array) -> list[Any]:
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return list(array.to_pylist())
    if pa.types.is_floating(kind):
        values = array.to_pylist()
        return [each if each is None or isfinite(each) else str(each) for each in values]
    if pa.types.is_duration(kind):
        return list(array.cast(pa.int64()).to_pylist())
    if pa.types.is_date64(kind):
        array = array.cast(pa.timestamp("ms"))  # a part of a day is none of a date's text
    if is_day_or_instant(array.type):
        return list(time_texts(array).to_pylist())
    try:
        return list(array.cast(pa.string()).to_pylist())
    except pa.ArrowNotImplementedError:
        return list(array.to_pylist())


def _objects(array: Array) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [_values(child) for child in array.flatten()]
    rows = zip(*columns, strict=True) if columns else repeat(())
    return [
        dict(zip(names, row, strict=True)) if is_valid else None
        for is_valid, row in zip(array.is_valid().to_pylist(), rows, strict=False)
    ]


def _lists(array: Array, elements: list[Any], ends: list[int]) -> list[Any]:
    return [
        elements[begin:end] if is_valid else None
        for is_valid, (begin, end) in zip(array.is_valid().to_pylist(), pairwise(ends), strict=True)
    ]


def _text_or_bytes(value: bytes | None) -> str | dict[str, str] | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value or b"").decode()}


def _text(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
