"""Arrow's types, and what each lands as: what Parquet holds and every reader of it knows.

    bool, int8 to int64, float32, float64    as they are
    uint8, uint16, uint32, uint64            int16, int32, int64, decimal128(20, 0)
    float16                                  float32
    decimal32, 64, 128, 256                  decimal128 or decimal256 of the same digits
    string, large_string, string_view        string
    binary, large, view, fixed size          binary
    date32, date64                           date32
    time32, time64                           time64[us], time64[ns]
    timestamp[s, ms, us], timestamp[ns]      timestamp[us], timestamp[ns]; zones become UTC
    list, large_list, fixed_size_list        list of what its elements land as
    struct                                   struct of what its fields land as
    map                                      list of structs with key and value
    dictionary, run_end_encoded              what their values land as
    arrow.json, arrow.bool8                  string, bool
    null                                     string

Of a database any other is asked for as the text that the database itself prints: intervals,
durations, unions, views of lists, other extension types, and whatever holds one of them. Of a file
there is `file_landing`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType, Field
from bronze_engine.model.types.widening import decimal_of

__all__ = ["file_landing", "is_json", "landing_of", "spoken"]

_SIGNED: Final = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
_EXTENSION: Final = b"ARROW:extension:name"
_KNOWN_EXTENSIONS: Final = {"arrow.json": pa.string(), "arrow.bool8": pa.bool_()}
"""Extension types that are what they are stored as; others only their makers know."""
_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_SAME: Final = (
    pa.types.is_boolean,
    pa.types.is_signed_integer,
    pa.types.is_float32,
    pa.types.is_float64,
)
_LISTS: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def landing_of(field: Field) -> DataType | None:
    """What a column lands as; None where it must be asked for as text."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        return _KNOWN_EXTENSIONS.get(kind.extension_name)
    if (field.metadata or {}).get(_EXTENSION) is not None:  # one that nobody here has registered
        return None
    if any(is_so(kind) for is_so in _SAME):
        return kind
    if kind in _SIGNED:
        return _SIGNED[kind]
    if any(is_so(kind) for is_so in _TEXTS) or pa.types.is_null(kind):
        return pa.string()
    if any(is_so(kind) for is_so in _BYTES):
        return pa.binary()
    if pa.types.is_dictionary(kind):
        return landing_of(pa.field("", kind.value_type))
    if pa.types.is_run_end_encoded(kind):
        return landing_of(pa.field("", kind.value_type))
    return _of_number(kind) or _of_time(kind) or _of_nested(kind)


def file_landing(field: Field) -> DataType | None:
    """What a column of a file lands as, which can't be asked for as text; None for nothing.

    Beyond `landing_of`: durations are the int64 that they count, views of lists are lists, and an
    extension type that nobody here knows lands as it is stored. A column without a type keeps
    that, until the layout is settled.
    """
    kind = field.type
    if pa.types.is_null(kind):
        return kind
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        element = _within(kind.value_field)
        return None if element is None else pa.list_(element)
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in _KNOWN_EXTENSIONS:
        kind = kind.storage_type
    return landing_of(pa.field("", kind))


def is_json(field: Field) -> bool:
    """Whether a column holds JSON, as the text that it is."""
    kind = field.type
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.json"


def spoken(field: Field) -> str:
    """The type as people know it: of what a database has of its own, the database's name."""
    kind = field.type
    name = getattr(kind, "type_name", None)
    return name if isinstance(name, str) else str(kind)


def _of_number(kind: DataType) -> DataType | None:
    if pa.types.is_float16(kind):
        return pa.float32()
    return decimal_of(kind.precision, kind.scale) if pa.types.is_decimal(kind) else None


def _of_time(kind: DataType) -> DataType | None:
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_time(kind):
        return pa.time64("ns" if kind.unit == "ns" else "us")
    if pa.types.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        return pa.timestamp(unit) if kind.tz is None else pa.timestamp(unit, "UTC")
    return None


def _of_nested(kind: DataType) -> DataType | None:
    if any(is_so(kind) for is_so in _LISTS):
        element = _within(kind.value_field)
        return None if element is None else pa.list_(element)
    if pa.types.is_map(kind):
        key, item = _within(kind.key_field), _within(kind.item_field)
        if key is None or item is None:
            return None
        return pa.list_(pa.struct([pa.field("key", key), pa.field("value", item)]))
    if pa.types.is_struct(kind) and kind.num_fields:
        fields = [kind.field(place) for place in range(kind.num_fields)]
        kinds = [_within(field) for field in fields]
        if None in kinds or len({field.name for field in fields}) < len(fields):
            return None
        return pa.struct(
            [pa.field(field.name, each) for field, each in zip(fields, kinds, strict=True)]
        )
    return None


def _within(field: Field) -> DataType | None:
    """What a part of a column lands as. Arrow has no way to take some of the runs that stand
    within another array (pyarrow 26)."""
    return None if pa.types.is_run_end_encoded(field.type) else landing_of(field)
