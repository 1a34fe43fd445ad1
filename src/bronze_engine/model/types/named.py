"""The types that a configuration may name for a column."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role

__all__ = ["parse_type"]

_PLAIN: Final[dict[str, tuple[DataType, Role]]] = {
    "int8": (pa.int8(), "value"),
    "int16": (pa.int16(), "value"),
    "int32": (pa.int32(), "value"),
    "int64": (pa.int64(), "value"),
    "uint8": (pa.uint8(), "value"),
    "uint16": (pa.uint16(), "value"),
    "uint32": (pa.uint32(), "value"),
    "uint64": (pa.uint64(), "value"),
    "double": (pa.float64(), "value"),
    "bool": (pa.bool_(), "value"),
    "string": (pa.string(), "text"),
    "json": (pa.string(), "json"),
    "date": (pa.date32(), "value"),
    "time": (pa.time64("us"), "value"),
    "timestamp": (pa.timestamp("us", "UTC"), "value"),
    "epoch_s": (pa.timestamp("us", "UTC"), "epoch_s"),
    "epoch_ms": (pa.timestamp("us", "UTC"), "epoch_ms"),
    "epoch_us": (pa.timestamp("us", "UTC"), "epoch_us"),
    "epoch_ns": (pa.timestamp("ns", "UTC"), "epoch_ns"),
}
_DECIMAL: Final = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_TIMESTAMP: Final = re.compile(r"timestamp\(\s*(s|ms|us|ns)\s*(?:,\s*([A-Za-z0-9_+\-/:]+)\s*)?\)")


def parse_type(column: str, text: str) -> tuple[DataType, Role]:
    """The Arrow type and role that `text` names, as config/schema.py lists them.

    `timestamp` is UTC in microseconds; `timestamp(us)` without a zone holds local times
    and takes no offset. The epochs are numbers since 1970-01-01T00:00Z that become
    timestamps. Raises ConfigError naming the column.
    """
    name = text.strip()
    if name in _PLAIN:
        return _PLAIN[name]
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        if 1 <= precision <= 76 and scale <= precision:
            make = pa.decimal128 if precision <= 38 else pa.decimal256
            return make(precision, scale), "value"
        raise ConfigError(
            f"schema.columns.{column}: {text!r} needs a precision of 1 to 76 and a scale "
            "of 0 to the precision"
        )
    if match := _TIMESTAMP.fullmatch(name):
        return _timestamp(column, match[1], match[2]), "value"
    raise ConfigError(
        f"schema.columns.{column}: {text!r} is no type; write int8 to int64, uint8 to uint64, "
        "double, bool, string, json, date, time, timestamp, timestamp(us|ns|ms|s[, zone]), "
        "epoch_s, epoch_ms, epoch_us, epoch_ns or decimal(precision,scale)"
    )


def _timestamp(column: str, unit: str, zone: str | None) -> DataType:
    if zone is None:
        return pa.timestamp(unit)  # type: ignore[call-overload,no-any-return,unused-ignore]
    try:
        ZoneInfo(zone)
    except (ValueError, KeyError, OSError) as exc:
        raise ConfigError(
            f"schema.columns.{column}: {zone!r} is no time zone; write an IANA name such as "
            "Europe/Berlin"
        ) from exc
    return pa.timestamp(unit, zone)  # type: ignore[call-overload,no-any-return,unused-ignore]
