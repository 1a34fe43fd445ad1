"""For Trino: its catalogs `hive` and `delta`, or that of [catalogs]; Athena reads the first."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.tables.ddl.described import Described, check_path, folder_type, header, typed

__all__ = ["statement"]

_NAMED: Final[dict[DataType, str]] = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double",
    pa.string(): "varchar",
    pa.binary(): "varbinary",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp(6)",
    pa.timestamp("us"): "timestamp(6)",
    pa.timestamp("ns", "UTC"): "timestamp(9)",
    pa.timestamp("ns"): "timestamp(9)",
}
_MOST_DIGITS: Final = 38
_ABOUT: Final = (
    "Trino reads whole folders: while a run replaces files it may see both generations.",
    "A table_format has no such moment. Timestamps need hive.timestamp-precision.",
)


def statement(described: Described) -> str:
    place = described.place
    schema, table = _text(described.schema), _text(described.name)
    if place.catalog is None:  # io.trino.filesystem.Location refuses these two
        check_path(described.location, "#?", "Trino", "a part of a URL")
    if place.format == "delta":
        return (
            f"CREATE SCHEMA IF NOT EXISTS delta.{_name(described.schema)};\n"
            f"CALL delta.system.register_table(schema_name => {schema}, table_name => {table},"
            f" table_location => {_text(described.location)});\n"
        )
    if place.catalog is not None:
        parts = ".".join(map(_name, [place.catalog.name, *place.name.split(".")]))
        about = header(["In a catalog of the iceberg connector, which has the table already."])
        view = ".".join(map(_name, [place.catalog.name, described.schema, f"{described.name}_v"]))
        return f"{about}CREATE OR REPLACE VIEW {view} AS SELECT * FROM {parts};\n"
    found = typed(described, _type, hidden=described.folders)
    folders = [folder_type(described, key) for key in described.folders]
    columns = [*found.columns, *((each.name, _type(each.type) or "varchar") for each in folders)]
    listed = ",\n".join(f"  {_name(column)} {kind}" for column, kind in columns)
    options = [f"external_location = {_text(described.location)}", "format = 'PARQUET'"]
    if folders:
        keys = ", ".join(_text(each.name) for each in folders)
        options.append(f"partitioned_by = ARRAY[{keys}]")
    options_text = ",\n".join(f"  {option}" for option in options)
    name = f"hive.{_name(described.schema)}.{_name(described.name)}"
    statements = [
        f"CREATE SCHEMA IF NOT EXISTS hive.{_name(described.schema)};\n",
        f"CREATE TABLE IF NOT EXISTS {name} (\n{listed}\n)\nWITH (\n{options_text}\n);\n",
    ]
    if folders:
        statements.append(f"CALL hive.system.sync_partition_metadata({schema}, {table}, 'FULL');\n")
    return header(_ABOUT, found.left_out) + "".join(statements)


def _type(kind: DataType) -> str | None:
    if kind in _NAMED:
        return _NAMED[kind]
    if pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        element = _type(kind.value_type)
        return None if element is None else f"array({element})"
    if pa.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        types = [(each.name, _type(each.type)) for each in fields]
        if all(each for _, each in types):
            return f"row({', '.join(f'{_name(key)} {each}' for key, each in types)})"
    return None


def _name(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
