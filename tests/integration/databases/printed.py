"""Arrow values as PostgreSQL prints them: written apart from the decoder, to judge it by."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["copied_text", "differences"]

_MOMENT = re.compile(r"(-?\d+)(-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)\.(\d+))?")
_QUOTED = re.compile(r'[ \t\n\r\v\f"\\{},]')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def copied_text(data: bytes) -> list[list[str | None]]:
    """The rows of COPY TO in its text format: what the types' output functions have printed."""
    lines = data.decode().split("\n")[:-1]
    return [
        [_unescaped(field) if "\\" in field else field for field in line.split("\t")]
        for line in lines
    ]


def _unescaped(field: str) -> str | None:
    if field == "\\N":
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), field)


def differences(array: Any, texts: list[str | None]) -> list[tuple[int, Any, str | None]]:
    """Rows in which an Arrow value is not what the server has printed."""
    assert len(array) == len(texts)
    kind = array.type
    while pa.types.is_list(kind):
        kind = kind.value_type
    if pa.types.is_floating(kind):
        format_ = "f" if pa.types.is_float32(kind) else "d"
        ours: list[Any] = [_bits(value, format_) for value in array.to_pylist()]
        theirs: list[Any] = [_bits(_parsed(text), format_) for text in texts]
    else:
        ours, theirs = _printed(array), list(texts)
    return [
        (row, one, texts[row])
        for row, (one, other) in enumerate(zip(ours, theirs, strict=True))
        if one != other
    ]


def _bits(value: Any, format_: str) -> Any:
    """Floats by their bits, so that -0 is not 0, and NaN is itself."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_bits(item, format_) for item in value]
    return "NaN" if value != value else struct.pack(format_, value)


def _parsed(text: str | None) -> Any:
    """A float, or an array of them of one dimension."""
    if text is None or text == "NULL":
        return None
    if text.startswith("{"):
        return [_parsed(item) for item in text[1:-1].split(",")] if text != "{}" else []
    return float(text)


def _printed(array: Any) -> list[str | None]:
    kind = array.type
    if pa.types.is_list(kind):
        return _lists(array)
    if pa.types.is_date32(kind):
        return _moments(array, pa.int32(), "D", "")
    if pa.types.is_timestamp(kind):
        return _moments(array, pa.int64(), "us", "+00" if kind.tz else "")
    if pa.types.is_time64(kind):
        return [None if text is None else text[11:] for text in _times(array)]
    if pa.types.is_integer(kind):
        return list(array.cast(pa.string()).to_pylist())
    values = array.to_pylist()
    if pa.types.is_string(kind):
        return list(values)
    return [None if value is None else _plain(value) for value in values]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return "\\x" + value.hex() if isinstance(value, bytes) else f"{value:f}"


def _times(array: Any) -> list[str | None]:
    return _moments(array.view(pa.int64()).view(pa.timestamp("us")), pa.int64(), "us", "")


def _moments(array: Any, counts: Any, unit: str, zone: str) -> list[str | None]:
    """By numpy's calendar, whose years go on below 1: its 0 is 1 BC."""
    moments = np.array(array.view(counts).fill_null(0)).astype(np.int64).view(f"M8[{unit}]")
    nulls = array.is_null().to_pylist()
    return [
        None if null else _moment(text, zone)
        for text, null in zip(np.datetime_as_string(moments).tolist(), nulls, strict=True)
    ]


def _moment(text: str, zone: str) -> str:
    match = _MOMENT.fullmatch(text)
    assert match is not None, text
    year, day, clock, fraction = int(match[1]), match[2], match[3], match[4]
    era = "" if year > 0 else " BC"
    printed = f"{year if year > 0 else 1 - year:04d}{day}"
    if clock is not None:
        printed += f" {clock}.{fraction}".rstrip("0").rstrip(".")
    return printed + zone + era


def _lists(array: Any) -> list[str | None]:
    kind = array.type.value_type
    texts = _printed(array.flatten())
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):  # needs no quotes
        items = ["NULL" if text is None else text for text in texts]
    elif pa.types.is_list(kind):
        items = [str(text) for text in texts]
    else:
        items = [_item(text) for text in texts]
    printed: list[str | None] = []
    place = 0
    for size in array.value_lengths().to_pylist():
        if size is None:
            printed.append(None)
            continue
        printed.append("{" + ",".join(items[place : place + size]) + "}")
        place += size
    return printed


def _item(text: str | None) -> str:
    if text is None:
        return "NULL"
    if text and _QUOTED.search(text) is None and text.upper() != "NULL":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
