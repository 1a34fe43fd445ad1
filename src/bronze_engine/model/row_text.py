"""Rows as JSON text, for records that came as none: nothing is rounded, nothing left out."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Reject

__all__ = ["Origin", "printed_rejects", "printed_rows", "printed_values"]


def printed_rows(batch: pa.RecordBatch, places: Sequence[int]) -> list[bytes]:
    """Some rows, each an object: what JSON has no form for is text, bytes are base64."""
    at = pa.array(places, pa.int64())
    columns = [printed_values(array.take(at)) for array in batch.columns]
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


def printed_values(array: Array) -> list[Any]:
    """Values as `json` takes them; of decimals and times their text."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return printed_values(array.dictionary_decode())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind):
        return list(array.to_pylist())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [value and base64.b64encode(value).decode() for value in array.to_pylist()]
    try:
        return list(array.cast(pa.string()).to_pylist())
    except pa.ArrowNotImplementedError:
        return list(array.to_pylist())


def _text(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
