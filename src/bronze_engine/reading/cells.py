"""The value of a cell as JSON has it, exact: what JSON's numbers would change is text."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from bronze_engine.model.types.time_text import is_day_or_instant, time_texts

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """The value of an Arrow scalar; None for NULL.

    Decimals, timestamps, dates and times are text, as are NaN and the infinities; bytes are
    hexadecimal after `0x`; a map is a list of pairs. Timestamps keep their zone: `Z`, or an
    offset.
    """
    kind = value.type
    is_a = pa.types
    if not value.is_valid:
        return None
    if is_a.is_boolean(kind) or is_a.is_integer(kind) or _is_text(kind):
        return value.as_py()
    if is_a.is_floating(kind):
        number = value.as_py()
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if is_a.is_struct(kind):
        return {kind.field(i).name: plain(value[i]) for i in range(kind.num_fields)}
    if is_a.is_map(kind):
        return [[plain(pair[0]), plain(pair[1])] for pair in value.values]
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        return [plain(each) for each in value.values]
    if is_a.is_dictionary(kind):
        return plain(value.value)
    if _is_bytes(kind):
        return f"0x{value.as_py().hex()}"
    if is_day_or_instant(kind):
        (text,) = time_texts(pa.repeat(value, 1)).to_pylist()
    else:
        text = value.cast(pa.string()).as_py()
    return text.replace(" ", "T", 1) if is_a.is_timestamp(kind) else text


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: Any) -> bool:
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(check(kind) for check in checks)
