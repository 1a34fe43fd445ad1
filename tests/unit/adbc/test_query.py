"""SQL for a driver: values are parameters in the order of their placeholders."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.errors import ConfigError
from bronze_engine.sources.adbc.dialect import GENERIC, Dialect, dialect_of
from bronze_engine.sources.adbc.query import Origin, Parameters, Values, parameter

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)


def origin(dialect: Dialect = GENERIC, values: Values | None = None, **config: Any) -> Origin:
    source = AdbcSourceConfig(connection=AdbcConnection(name="db", driver="snowflake"), **config)
    return Origin(source, dialect, values or Values(run_date=DAY))


def newer(parameters: Parameters) -> str:
    return f"id > {parameters.add(parameter(7, pa.int64()))}"


def test_a_query_and_its_condition_stand_on_lines_of_their_own() -> None:
    query = origin(query="SELECT 1 -- all;\n;", where="a = 1 -- only").select('"a"', newer)
    assert query.sql == (
        'SELECT "a" FROM (\nSELECT 1 -- all;\n) AS "query" WHERE (\na = 1 -- only\n) AND id > ?'
    )


@pytest.mark.parametrize(
    ("dialect", "places"),
    [(GENERIC, ("?", "?", "?")), (dialect_of("PostgreSQL"), ("$1", "$2", "$3"))],
)
def test_placeholders_are_bound_in_their_order(dialect: Dialect, places: tuple[str, ...]) -> None:
    source = origin(
        dialect, query="SELECT {run_date:%Y%m%d} AS day, '{{' AS brace", where="day < {run_date}"
    )
    query = source.select("*", newer)
    expected = (
        "SELECT * FROM (\nSELECT ? AS day, '{' AS brace\n) AS \"query\""
        " WHERE (\nday < ?\n) AND id > ?"
    )
    for place in places:
        expected = expected.replace("?", place, 1)
    assert query.sql == expected
    assert [each.to_pylist() for each in query.parameters] == [["20250115"], [DAY], [7]]
    assert [each.type for each in query.parameters] == [pa.string(), pa.date32(), pa.int64()]


def test_a_bound_is_the_value_that_the_run_has() -> None:
    values = Values(run_date=DAY, low=parameter(3, pa.int64()))
    query = origin(values=values, table="t", where="id > {low}").select("*")
    assert query.sql == "SELECT * FROM t WHERE (\nid > ?\n)"
    assert query.parameters == values_of(3)
    with pytest.raises(ConfigError, match=r"\{high\} has no value in this run"):
        origin(values=values, table="t", where="id > {high}").select("*")


def values_of(*values: int) -> list[pa.Array[Any]]:
    return [parameter(value, pa.int64()) for value in values]
