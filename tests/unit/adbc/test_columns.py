"""Which columns are asked for, and how: by the types that a driver tells."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.adbc.columns import Columns
from bronze_engine.sources.adbc.dialect import GENERIC, Dialect, dialect_of

pytestmark = pytest.mark.unit


def columns(
    *taken: str, types: dict[str, str] | None = None, dialect: Dialect = GENERIC
) -> Columns:
    source = AdbcSourceConfig(
        connection=AdbcConnection(name="db", driver="snowflake"), table="t", columns=list(taken)
    )
    return Columns(source, SchemaConfig(columns=types or {}), None, dialect, "db: t")


def schema(*fields: tuple[str, Any]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in fields])


def sql(described: pa.Schema, **options: object) -> list[str]:
    return [each.sql for each in columns(**options).ask(described)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vendor", "expected"),
    [
        ("PostgreSQL", ['"a""b"', 'CAST("i" AS TEXT) AS "i"']),
        ("Snowflake", ['"a""b"', 'CAST("i" AS VARCHAR) AS "i"']),
        ("BigQuery", ['`a"b`', "CAST(`i` AS STRING) AS `i`"]),
    ],
)
def test_names_are_quoted_and_texts_cast_as_the_database_wants(
    vendor: str, expected: list[str]
) -> None:
    described = schema(('a"b', pa.int32()), ("i", pa.month_day_nano_interval()))
    assert sql(described, dialect=dialect_of(vendor)) == expected


def test_two_columns_of_one_name_are_refused() -> None:
    described = schema(("id", pa.int32()), ("id", pa.string()))
    with pytest.raises(ExtractError, match="has 2 columns called 'id'; give each a name"):
        columns().ask(described)


def test_a_type_of_a_column_that_is_not_read_is_refused() -> None:
    described = schema(("id", pa.int32()), ("x", pa.string()))
    with pytest.raises(ConfigError, match=r"schema\.columns\.x: the column is not read"):
        columns("id", types={"x": "string"}).ask(described)


def test_a_column_typed_as_string_is_printed_where_arrow_has_no_text_for_it() -> None:
    described = schema(("a", pa.list_(pa.int32())), ("b", pa.int32()))
    asked = columns(types={"a": "string", "b": "string"}).ask(described)
    assert [each.is_printed for each in asked] == [True, False]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orders", "orders"),
        ("Db.Main.Orders", "Db.Main.Orders"),
        ('main."Odd "" Name"', 'main."Odd "" Name"'),
    ],
)
def test_what_is_not_quoted_is_left_to_the_database(name: str, expected: str) -> None:
    assert GENERIC.table(name) == expected


def test_bigquery_has_quotes_and_escapes_of_its_own() -> None:
    assert dialect_of("bigquery").quoted("a`b\\c") == "`a\\`b\\\\c`"
