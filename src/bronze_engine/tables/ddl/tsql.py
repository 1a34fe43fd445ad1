"""For the serverless pools of Synapse, and Fabric: a view over OPENROWSET."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import DataType
from bronze_engine.tables.content import DATE_COLUMN as DATE
from bronze_engine.tables.ddl.described import Described, check_path, folder_type, header, typed

__all__ = ["statement"]

_TEXT_TYPE: Final = "varchar(max) COLLATE Latin1_General_100_BIN2_UTF8"
_NAMED: Final[dict[DataType, str]] = {
    pa.bool_(): "bit",
    pa.int8(): "smallint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "float",
    pa.string(): _TEXT_TYPE,
    pa.binary(): "varbinary(max)",
    pa.date32(): "date",
    pa.time64("us"): "time(6)",
    pa.timestamp("us", "UTC"): "datetime2(6)",
    pa.timestamp("us"): "datetime2(6)",
}
_MOST_DIGITS: Final = 38
_AZURE: Final = re.compile(r"abfss://(?P<container>[^@/]+)@(?P<host>[^/]+)/(?P<path>.*)")


def statement(described: Described) -> str:
    place = described.place
    if place.format == "iceberg":
        raise ConfigError(
            "T-SQL reads no catalog of Iceberg, and of its folders superseded files too; use a"
            ' shortcut of OneLake to the table, or table_format = "delta"'
        )
    location = _location(described.location)
    check_path(location, "*", "OPENROWSET", "a pattern")
    check_path(location, "#?%", "OPENROWSET", "a part of a URL")
    is_delta = place.format == "delta"
    own = [key for key in described.folders if key not in described.columns.names or key == DATE]
    found = typed(described, _type, hidden=own)
    lines = []
    if not location.startswith("https://"):
        lines.append("T-SQL engines read object stores: put the URL of such a copy in place.")
    if not is_delta:
        lines.append(
            "Whole folders are read: while a run replaces files both generations are seen."
        )
    columns = list(found.columns)
    if is_delta:
        bulk, form = f"{location}/", "DELTA"
        columns += [(DATE, "date")] if described.place.is_dated else []
        selected = "[r].*"
    else:
        levels = [f"{key}=*" for key in _levels(described)]
        bulk, form = "/".join([location, *levels, "part-*.parquet"]), "PARQUET"
        paths = [
            f"CAST([r].filepath({at}) AS {_folder(described, key)}) AS {_name(key)}"
            for at, key in enumerate(described.folders, start=1)
            if key in own
        ]
        selected = ", ".join(["[r].*", *paths])
    listed = ",\n".join(f"  {_name(column)} {kind}" for column, kind in columns)
    with_columns = f"\nWITH (\n{listed}\n)" if columns else ""
    exists = _text(f"CREATE SCHEMA {_name(described.schema)}")
    return (
        f"{header(lines, found.left_out)}"
        f"IF SCHEMA_ID({_text(described.schema)}) IS NULL EXEC({exists});\nGO\n"
        f"CREATE OR ALTER VIEW {_name(described.schema)}.{_name(described.name)} AS\n"
        f"SELECT {selected}\n"
        f"FROM OPENROWSET(BULK {_text(bulk)}, FORMAT = '{form}'){with_columns} AS [r];\nGO\n"
    )


def _folder(described: Described, key: str) -> str:
    """The type of what a folder says; escaped values (%2F) stay as they are written."""
    kind = folder_type(described, key).type
    return _type(kind) or _TEXT_TYPE if kind == pa.date32() else "varchar(4000)"


def _levels(described: Described) -> tuple[str, ...]:
    """The keys of folders as they are written there: Hive escapes some of their characters, and
    what it has written a URL would undo."""
    keys = described.folders
    for shown in described.files:
        written = tuple(each.partition("=")[0] for each in shown.path.split("/")[:-1])
        if len(written) == len(keys):
            keys = written
            break
    for key in keys:
        check_path(f"{key}=", "#?%*", "OPENROWSET", "a part of a URL, or a pattern")
    return keys


def _location(location: str) -> str:
    found = _AZURE.fullmatch(location)
    if found is None:
        return location
    return f"https://{found['host']}/{found['container']}/{found['path']}"


def _type(kind: DataType) -> str | None:
    if kind in _NAMED:
        return _NAMED[kind]
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return f"decimal({kind.precision},{kind.scale})"
    # Nested values are read as JSON text.
    return _TEXT_TYPE if pa.types.is_nested(kind) else None


def _name(name: str) -> str:
    escaped = name.replace("]", "]]")
    return f"[{escaped}]"


def _text(text: str) -> str:
    escaped = text.replace("'", "''")
    # Without an N it is a text of the database's code page, and may lose the others.
    return f"'{escaped}'" if text.isascii() else f"N'{escaped}'"
