"""DuckDB's files, read by its own library."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from bronze_engine.errors import ConfigError, QualityError
from tests.integration.adbc.lake import DAY, INCREMENTAL, NEXT_DAY, Lake, in_duckdb, shown

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CASES: tuple[tuple[str, str, pa.DataType, Any], ...] = (
    ("boolean", "true", pa.bool_(), True),
    ("tinyint", "-128", pa.int8(), -128),
    ("smallint", "-32768", pa.int16(), -32768),
    ("integer", "-2147483648", pa.int32(), -(2**31)),
    ("bigint", "9223372036854775807", pa.int64(), 2**63 - 1),
    ("hugeint", "170141183460469231731687303715884105727", pa.string(), str(2**127 - 1)),
    ("uhugeint", "340282366920938463463374607431768211455", pa.string(), str(2**128 - 1)),
    ("utinyint", "255", pa.int16(), 255),
    ("usmallint", "65535", pa.int32(), 65535),
    ("uinteger", "4294967295", pa.int64(), 2**32 - 1),
    ("ubigint", "18446744073709551615", pa.decimal128(20, 0), Decimal(2**64 - 1)),
    ("float", "1.5", pa.float32(), 1.5),
    ("double", "0.1", pa.float64(), 0.1),
    ("decimal(4,1)", "-123.4", pa.decimal128(4, 1), Decimal("-123.4")),
    ("decimal(38,10)", "'1000000000000000000000000000'", pa.decimal128(38, 10), Decimal("1E+27")),
    ("varchar", "' Grüße\n🚀'", pa.string(), " Grüße\n🚀"),
    ("blob", "'\\x00\\xFF'", pa.binary(), b"\x00\xff"),
    ("bit", "'0101'", pa.string(), "0101"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", pa.string(),
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "'{\"a\": 1.50}'", pa.string(), '{"a": 1.50}'),
    ("date", "'0001-01-01'", pa.date32(), date(1, 1, 1)),
    ("time", "'23:59:59.999999'", pa.time64("us"), time(23, 59, 59, 999999)),
    ("timetz", "'12:00:00+05:30'", pa.string(), "12:00:00+05:30"),
    ("timestamp", "'2025-01-15 10:00:00.123456'", pa.timestamp("us"),
     datetime(2025, 1, 15, 10, 0, 0, 123456)),  # noqa: DTZ001  # it has no zone
    ("timestamp_s", "'2025-01-15 10:00:00'", pa.timestamp("us"),
     datetime(2025, 1, 15, 10)),  # noqa: DTZ001
    ("timestamp_ms", "'2025-01-15 10:00:00.123'", pa.timestamp("us"),
     datetime(2025, 1, 15, 10, 0, 0, 123000)),  # noqa: DTZ001
    ("timestamptz", "'2025-01-15 10:00:00+02'", pa.timestamp("us", "UTC"),
     datetime(2025, 1, 15, 8, tzinfo=UTC)),
    ("interval", "'1 month 2 days 03:00:00'", pa.string(), "1 month 2 days 03:00:00"),
    ("mood", "'sad'", pa.string(), "sad"),
    ("integer[]", "[1, NULL]", pa.list_(pa.int32()), [1, None]),
    ("utinyint[2]", "[1, 2]", pa.list_(pa.int16()), [1, 2]),
    ("varchar[][]", "[['a'], [], NULL]", pa.list_(pa.list_(pa.string())), [["a"], [], None]),
    ("hugeint[]", "[1, NULL]", pa.string(), "[1, NULL]"),
    ("struct(a integer, b varchar[])", "{'a': 1, 'b': ['x']}",
     pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]), {"a": 1, "b": ["x"]}),
    ("map(varchar, usmallint)", "map {'k': 7}",
     pa.list_(pa.struct([("key", pa.string()), ("value", pa.int32())])),
     [{"key": "k", "value": 7}]),
    ("union(n integer, s varchar)", "'text'", pa.string(), "text"),
)  # fmt: skip


def typed_lake(folder: Path, *, more: str = "") -> Lake:
    """A column c0, c1, … for each case: a row of its value, one of NULL."""
    lake = Lake(folder, "duckdb", 'table = "t"', more=more)
    columns = ", ".join(f"c{place} {case[0]}" for place, case in enumerate(CASES))
    values = ", ".join(case[1] for case in CASES)
    in_duckdb(
        lake.database,
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        f"CREATE TABLE t ({columns})",
        f"INSERT INTO t VALUES ({values})",  # noqa: S608  # the cases above
        "INSERT INTO t (c0) VALUES (NULL)",
    )
    return lake


async def test_every_type_lands_as_the_table_of_the_guide_says(tmp_path: Path) -> None:
    lake = typed_lake(tmp_path)
    await lake.run()
    table = lake.table()
    assert table.schema.types == [case[2] for case in CASES]
    first, second = table.to_pylist()
    assert list(first.values()) == [case[3] for case in CASES]
    assert set(second.values()) == {None}


async def test_what_lands_as_text_is_what_the_database_prints(tmp_path: Path) -> None:
    lake = typed_lake(tmp_path)
    await lake.run()
    table = lake.table()
    texts = [name for name in table.schema.names if table.schema.field(name).type == pa.string()]
    columns = ", ".join(f"{name}::varchar" for name in texts)
    expected = shown(lake.database, f"SELECT {columns} FROM t")  # noqa: S608
    assert [tuple(row.values()) for row in table.select(texts).to_pylist()] == expected


async def test_a_second_partition_of_the_same_table_has_the_same_types(tmp_path: Path) -> None:
    lake = typed_lake(tmp_path)
    await lake.run()
    await lake.run(NEXT_DAY)
    assert lake.table(NEXT_DAY).schema == lake.table(DAY).schema
    assert lake.manifest(NEXT_DAY).schema_changes == ()


async def test_nanoseconds_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(
        lake.database,
        "CREATE TABLE t AS SELECT '2025-01-15 10:00:00.123456789'::timestamp_ns AS at",
    )
    await lake.run()
    (value,) = lake.table()["at"]
    assert value.type == pa.timestamp("ns")
    assert value.value % 10**9 == 123456789


async def test_random_values_equal_what_the_database_says(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(
        lake.database,
        """CREATE TABLE t AS SELECT i::bigint AS id,
           ((random() - 0.5) * 1e12)::decimal(18, 4) AS amount,
           CASE WHEN i % 7 = 0 THEN NULL WHEN i % 7 = 1 THEN '' ELSE md5(i::varchar) END AS name,
           random() AS x,
           timestamptz '2020-01-01 00:00:00+00' + to_microseconds(i * 987654321) AS at,
           [i % 3, NULL, i] AS list
           FROM range(100000) r(i)""",
    )
    await lake.run()
    with duckdb.connect(str(lake.database)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        expected: Any = connection.sql("SELECT * FROM t ORDER BY id").to_arrow_table()
    found = lake.table().sort_by("id")
    for name in found.schema.names:
        wanted = expected[name].cast(found.schema.field(name).type)
        assert found[name].equals(wanted), name


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("'infinity'::timestamp", "'a' .* has an infinite value"),
        ("'-infinity'::timestamptz", "'a' .* has an infinite value"),
        ("'infinity'::date", "'a' .* has an infinite value"),
    ],
)
async def test_an_infinite_day_is_no_day(tmp_path: Path, sql: str, message: str) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(lake.database, f"CREATE TABLE t AS SELECT {sql} AS a")
    with pytest.raises(QualityError, match=message):
        await lake.run()
    lake.configure('query = "SELECT a::varchar AS a FROM t"')
    await lake.run()
    assert lake.rows()[0]["a"] in ("infinity", "-infinity")


@pytest.mark.parametrize(
    ("sql", "configured", "value"),
    [
        ("'12.50'::varchar", "decimal(18,4)", Decimal("12.5000")),
        ("12::hugeint", "string", "12"),
        ("5::integer", "int64", 5),
        ("5::integer", "double", 5.0),
        ("5::integer", "string", "5"),
        ("'{}'::json", "json", "{}"),
        ("1.25::double", "decimal(18,2)", Decimal("1.25")),
        ("1700000000::bigint", "epoch_s", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("'2025-01-15T10:00:00+02:00'::varchar", "timestamp", datetime(2025, 1, 15, 8, tzinfo=UTC)),
        ("[1, 2]", "string", "[1, 2]"),
        ("interval 1 day", "string", "1 day"),
    ],
)
async def test_a_configured_type_holds_the_value(
    tmp_path: Path, sql: str, configured: str, value: object
) -> None:
    more = f'[pipelines.team.orders.schema.columns]\na = "{configured}"\n'
    lake = Lake(tmp_path, "duckdb", 'table = "t"', more=more)
    in_duckdb(lake.database, f"CREATE TABLE t AS SELECT {sql} AS a")
    await lake.run()
    assert lake.rows() == [{"a": value}]


@pytest.mark.parametrize(
    ("sql", "configured", "error", "message"),
    [
        ("1.255::double", "decimal(18,2)", QualityError, "1.255 is no decimal"),
        ("9007199254740993::bigint", "double", QualityError, "9007199254740993"),
        ("12345678901234567.89::decimal(19,2)", "double", QualityError, "is no double"),
        ("2::integer", "bool", QualityError, "2 is no bool"),
        ("1700000000::bigint", "timestamp", ConfigError, "may not hold every int64 as it is"),
        ("'2025-01-15'::timestamp", "timestamp", ConfigError, "may not hold every timestamp"),
        ("[1]", "int64", ConfigError, "may not hold every list"),
        ("5::integer", "json", ConfigError, "may not hold every int32"),
    ],
)
async def test_a_configured_type_never_changes_a_value(
    tmp_path: Path, sql: str, configured: str, error: type[Exception], message: str
) -> None:
    more = f'[pipelines.team.orders.schema.columns]\na = "{configured}"\n'
    lake = Lake(tmp_path, "duckdb", 'table = "t"', more=more)
    in_duckdb(lake.database, f"CREATE TABLE t AS SELECT {sql} AS a")
    with pytest.raises(error, match=message):
        await lake.run()


@pytest.mark.parametrize(
    ("first", "then", "landed"),
    [
        ("integer", "bigint", pa.int64()),
        ("bigint", "integer", pa.int64()),
        ("decimal(9,2)", "bigint", pa.decimal128(21, 2)),
        ("varchar", "integer", pa.string()),
        ("integer", "varchar", pa.string()),
        ("timestamp", "timestamptz", pa.string()),
        ("integer[]", "bigint[]", pa.list_(pa.int64())),
        ("integer", "interval", pa.string()),
        ("struct(a integer)", "struct(a integer, b integer)", pa.string()),
    ],
)
async def test_columns_never_narrow(
    tmp_path: Path, first: str, then: str, landed: pa.DataType
) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(lake.database, f"CREATE TABLE t (a {first})")
    in_duckdb(lake.database, "INSERT INTO t VALUES (NULL)")
    await lake.run()
    in_duckdb(lake.database, "DROP TABLE t", f"CREATE TABLE t (a {then})")
    in_duckdb(lake.database, "INSERT INTO t VALUES (NULL)")
    await lake.run(NEXT_DAY)
    assert lake.table(NEXT_DAY).schema.types == [landed]


async def test_an_empty_table_fixes_its_types(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(lake.database, "CREATE TABLE t (a bigint, b json)")
    assert (await lake.run()).rows == 0
    landed = [(column.name, column.type) for column in lake.manifest().schema]
    assert landed[:2] == [("a", "int64"), ("b", "string")]
    in_duckdb(lake.database, "DROP TABLE t", "CREATE TABLE t AS SELECT 1::integer AS a")
    await lake.run(NEXT_DAY)
    assert lake.table(NEXT_DAY).schema.types == [pa.int64()]


async def test_a_frozen_contract_takes_no_other_column(tmp_path: Path) -> None:
    lake = Lake(
        tmp_path, "duckdb", 'table = "t"',
        more='[pipelines.team.orders.schema]\ncontract = "freeze"\n',
    )  # fmt: skip
    in_duckdb(lake.database, "CREATE TABLE t AS SELECT 1 AS a")
    await lake.run()
    await lake.run(NEXT_DAY)
    in_duckdb(lake.database, "ALTER TABLE t ADD COLUMN b integer")
    with pytest.raises(QualityError, match="'b' is new"):
        await lake.run(NEXT_DAY)


async def test_columns_that_differ_by_case_of_ours_get_a_number(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"')
    in_duckdb(lake.database, 'CREATE TABLE t AS SELECT 1 AS "_Load_Date"')
    report = await lake.run()
    assert lake.manifest().schema[0].name == "_Load_Date_2"
    assert any("'_Load_Date' lands as '_Load_Date_2'" in each for each in report.warnings)


async def test_another_process_may_read_the_file_meanwhile(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "duckdb", 'table = "t"', pipeline=INCREMENTAL, more=(
        '[pipelines.team.orders.incremental]\ncursor = "id"\ncursor_type = "integer"\n'
    ))  # fmt: skip
    in_duckdb(lake.database, "CREATE TABLE t AS SELECT 1 AS id")
    with duckdb.connect(str(lake.database), read_only=True):
        assert (await lake.run()).rows == 1
