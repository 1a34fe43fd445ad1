"""For Spark SQL and Databricks."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.tables.ddl.described import Described, check_path, folder_type, header, typed

__all__ = ["statement"]

_NAMED: Final[dict[DataType, str]] = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "STRING",
    pa.binary(): "BINARY",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMP",
    pa.timestamp("us"): "TIMESTAMP_NTZ",
}
_MOST_DIGITS: Final = 38
_ABOUT: Final = (
    "Spark reads whole folders: while a run replaces files it may see both generations.",
    "A table_format has no such moment. Repeat the last statement after each run.",
)


def statement(described: Described) -> str:
    schema, name = _name(described.schema), f"{_name(described.schema)}.{_name(described.name)}"
    begin = f"CREATE SCHEMA IF NOT EXISTS {schema};\n"
    location = _text(described.location)
    place = described.place
    if place.catalog is None:
        check_path(described.location, "*?[]{}\\", "Spark", "a part of a pattern")
    if place.format == "delta":
        create = f"CREATE TABLE IF NOT EXISTS {name} USING DELTA LOCATION {location};\n"
        return begin + create
    if place.catalog is not None:
        about = header(
            [f"In Spark's own catalog of that name: spark.sql.catalog.{place.catalog.name}."]
        )
        parts = ".".join(map(_name, [place.catalog.name, *place.name.split(".")]))
        return f"{about}{begin}CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parts};\n"
    found = typed(described, _type, hidden=described.folders)
    about = header(_ABOUT, found.left_out)
    folders = [folder_type(described, key) for key in described.folders]
    columns = [*found.columns, *((each.name, _type(each.type) or "STRING") for each in folders)]
    listed = ",\n".join(f"  {_name(column)} {kind}" for column, kind in columns)
    create = f"CREATE TABLE IF NOT EXISTS {name} (\n{listed}\n)\nUSING PARQUET\n"
    if folders:
        create += f"PARTITIONED BY ({', '.join(_name(each.name) for each in folders)})\n"
    create += f"LOCATION {location};\n"
    repair = f"MSCK REPAIR TABLE {name};\n" if folders else f"REFRESH TABLE {name};\n"
    return about + begin + create + repair


def _type(kind: DataType) -> str | None:
    if kind in _NAMED:
        return _NAMED[kind]
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        element = _type(kind.value_type)
        return None if element is None else f"ARRAY<{element}>"
    if pa.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        types = [(each.name, _type(each.type)) for each in fields]
        if all(each for _, each in types):
            return f"STRUCT<{', '.join(f'{_name(key)}: {each}' for key, each in types)}>"
    return None


def _name(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
