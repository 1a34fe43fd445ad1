"""What a well-typed [pipelines.….schema] may still get wrong."""

from __future__ import annotations

import json
import re
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.model.nearest import nearest, nearest_names

__all__ = ["schema_faults", "timezone_faults", "type_faults"]

_SIMPLE_TYPES: Final = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("double", "bool", "string", "json", "date", "time", "timestamp"),
    *("epoch_s", "epoch_ms", "epoch_us", "epoch_ns"),
)
_TIMESTAMP_TYPE: Final = re.compile(
    r"timestamp\(\s*(?:us|ns|ms|s)\s*(?:,\s*([A-Za-z0-9_+\-/:]+)\s*)?\)"
)
_DECIMAL_TYPE: Final = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_INSTALL: Final = (
    "install the system's package tzdata (apt-get install tzdata, apk add tzdata, microdnf"
    " reinstall tzdata); that of pip is not enough"
)
_ELSEWHERE: Final = {
    **dict.fromkeys(("int", "integer", "bigint", "long"), "int64"),
    **dict.fromkeys(("smallint", "short"), "int16"),
    **dict.fromkeys(("tinyint", "byte"), "int8"),
    "uint": "uint64",
    **dict.fromkeys(("float", "float32", "float64", "real", "double precision"), "double"),
    **dict.fromkeys(("numeric", "number", "decimal", "decimal128"), "decimal(18,4)"),
    **dict.fromkeys(("str", "text", "varchar", "char", "utf8", "uuid"), "string"),
    **dict.fromkeys(("object", "struct", "array", "list", "map", "jsonb"), "json"),
    **dict.fromkeys(("datetime", "timestamptz", "timestamp_tz"), "timestamp"),
    **dict.fromkeys(("datetime2", "timestamp_ntz"), "timestamp(us)"),
    **dict.fromkeys(("boolean", "bit"), "bool"),
    "date32": "date",
}
"""What SQL, Arrow, Spark and Python call types of ours. By its spelling alone `bigint` is nearest
to `int8`, which keeps hardly a number of such a column."""


def schema_faults(schema: SchemaConfig, path: KeyPath) -> Iterator[Fault]:
    for column, kind in schema.columns.items():
        yield from type_faults(kind, (*path, "columns", column))
    if schema.contract == "freeze" and schema.on_drift in ("widen", "quarantine"):
        yield Fault(
            (*path, "on_drift"),
            f'is "{schema.on_drift}", and contract = "freeze" fails at any value that does not'
            ' fit; leave on_drift out, or write contract = "evolve"',
        )
    if schema.flatten is not None and not schema.flatten:
        yield Fault((*path, "flatten"), 'is empty; write what stands between the names, as "__"')
    elif schema.flatten is not None and schema.flatten.endswith("variant"):
        yield Fault((*path, "flatten"), 'may not end in "variant": columns of misfits do')
    if schema.flatten_depth is not None and schema.flatten is None:
        yield Fault((*path, "flatten_depth"), 'is a limit of flatten; set flatten = "__"')


def timezone_faults(name: str, path: KeyPath) -> Iterator[Fault]:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        hint = nearest(name, known)
        if not known:
            hint = f"this system knows none; {_INSTALL}"
        elif hint.startswith("known are"):
            hint = 'write an IANA name such as "UTC" or "Europe/Berlin"'
        yield Fault(path, f"{json.dumps(name)} is no time zone; {hint}")
    else:
        if not _is_of_the_system(name):
            yield Fault(
                path, f"{json.dumps(name)} is known to Python alone, and Arrow needs it; {_INSTALL}"
            )


def _is_of_the_system(zone: str) -> bool:
    """Whether Arrow finds it: it does not read the package of PyPI, as Python does. Not asked of
    Arrow itself, which reads all zones then: a second."""
    if sys.platform == "win32":
        return True
    return any(Path(folder, zone).is_file() for folder in zoneinfo.TZPATH)


def type_faults(kind: str, path: KeyPath) -> Iterator[Fault]:
    """Of the name of a column's type."""
    if kind in _SIMPLE_TYPES:
        return
    timestamp = _TIMESTAMP_TYPE.fullmatch(kind)
    decimal = _DECIMAL_TYPE.fullmatch(kind)
    if timestamp is not None:
        if timestamp[1] is not None:
            yield from timezone_faults(timestamp[1].strip(), path)
    elif decimal is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        if not 1 <= precision <= 76 or scale > precision:
            yield Fault(path, f'"{kind}": 1 to 76 digits in all, the scale at most as many')
    else:
        yield Fault(path, f"{json.dumps(kind)} is no type; {_meant(kind)}")


def _meant(kind: str) -> str:
    """Which type the writer may have meant by a name that is none of ours."""
    name, bracket, arguments = (part.strip() for part in kind.lower().partition("("))
    if bracket and _ELSEWHERE.get(name, "").startswith("decimal"):
        exact = "decimal(" + (arguments if "," in arguments else arguments.replace(")", ",0)"))
        if _DECIMAL_TYPE.fullmatch(exact):
            return f"did you mean {json.dumps(exact)}?"
    ours = dict.fromkeys((*_SIMPLE_TYPES, "timestamp(us, UTC)", "decimal(18,4)"))
    known = _ELSEWHERE | {each: each for each in ours}
    for word in (kind.lower(), name):
        close = nearest_names(word, known, most=1)
        if close:
            return f"did you mean {json.dumps(known[close[0]])}?"
    return nearest("", ours)
