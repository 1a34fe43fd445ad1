"""SQLite's files, read by its driver."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from bronze_engine.errors import ConfigError, ExtractError, QualityError
from tests.integration.adbc.lake import DAY, NEXT_DAY, Lake, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, price REAL, data BLOB)"
INSERT = "INSERT INTO t VALUES (?, ?, ?, ?)"
HARD = [
    (-(2**63), "", -1e-308, b""),
    (2**63 - 1, 'quote " and \n newline', 1e308, b"\x00\xff"),
    (1, None, None, None),
    (2, "Grüße 🚀", 0.1 + 0.2, b"x" * 5000),
]


async def test_a_table_lands_value_by_value(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, CREATE, INSERT, rows=HARD)
    report = await lake.run()
    assert report.rows == 4
    table = lake.table()
    assert table.schema.types == [pa.int64(), pa.string(), pa.float64(), pa.binary()]
    assert [tuple(row.values()) for row in table.to_pylist()] == sorted(HARD)


async def test_many_batches_land_in_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"\nbatch_rows = 100')
    rows = [(place, f"row {place}", place / 4, None) for place in range(25_000)]
    in_sqlite(lake.database, CREATE, INSERT, rows=rows)
    await lake.run()
    assert [tuple(row.values()) for row in lake.rows()] == rows


async def test_columns_and_conditions_are_taken_as_configured(tmp_path: Path) -> None:
    source = 'table = "t"\ncolumns = ["name", "id"]\nwhere = "id > 1 -- the newer"'
    lake = Lake(tmp_path, "sqlite", source)
    in_sqlite(lake.database, CREATE, INSERT, rows=[(n, f"n{n}", None, None) for n in range(4)])
    await lake.run()
    assert lake.rows() == [{"name": "n2", "id": 2}, {"name": "n3", "id": 3}]


async def test_a_query_lands_with_its_dates_bound(tmp_path: Path) -> None:
    query = "SELECT {run_date} AS day, {run_date:%Y%m%d} || 'x' AS text, '{{' AS brace;"
    lake = Lake(tmp_path, "sqlite", f'query = """{query}"""')
    in_sqlite(lake.database, CREATE)
    await lake.run()
    assert lake.rows() == [{"day": "2025-01-15", "text": "20250115x", "brace": "{"}]


async def test_an_odd_name_is_quoted(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = \'"Odd "" Name"\'')
    in_sqlite(lake.database, 'CREATE TABLE "Odd "" Name" ("a ""b""" TEXT, "select" INTEGER)')
    in_sqlite(lake.database, 'INSERT INTO "Odd "" Name" VALUES (\'x\', 1)')
    await lake.run()
    assert lake.rows() == [{'a "b"': "x", "select": 1}]


async def test_an_empty_table_lands_no_row_and_fixes_no_type(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, CREATE)
    assert (await lake.run()).rows == 0
    assert lake.manifest().schema == ()


async def test_a_column_without_values_keeps_the_type_that_has_landed(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, CREATE, INSERT, rows=[(1, "a", 0.5, b"b")])
    await lake.run()
    in_sqlite(lake.database, "UPDATE t SET name = NULL, price = NULL, data = NULL")
    await lake.run(NEXT_DAY)
    assert lake.table(NEXT_DAY).schema == lake.table(DAY).schema
    assert lake.rows(NEXT_DAY) == [{"id": 1, "name": None, "price": None, "data": None}]


async def test_a_configured_type_takes_what_it_holds_exactly(tmp_path: Path) -> None:
    more = '[pipelines.team.orders.schema.columns]\namount = "decimal(38,2)"\nat = "epoch_ms"\n'
    lake = Lake(tmp_path, "sqlite", 'table = "t"', more=more)
    in_sqlite(
        lake.database,
        "CREATE TABLE t (amount TEXT, at INTEGER)",
        "INSERT INTO t VALUES (?, ?)",
        rows=[("123456789012345678901234567890123456.78", 1_700_000_000_123)],
    )
    await lake.run()
    (row,) = lake.rows()
    assert row["amount"] == Decimal("123456789012345678901234567890123456.78")
    assert row["at"].isoformat() == "2023-11-14T22:13:20.123000+00:00"
    in_sqlite(lake.database, "UPDATE t SET amount = '0.005'")
    with pytest.raises(QualityError, match=r"column 'amount'.* has a value that is no decimal"):
        await lake.run(NEXT_DAY)


async def test_text_that_is_no_utf8_is_a_fault(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, "CREATE TABLE t (a TEXT)")
    in_sqlite(lake.database, "INSERT INTO t VALUES (CAST(x'ff41' AS TEXT))")
    with pytest.raises(QualityError, match=r"column 'a' .*Invalid UTF8"):
        await lake.run()


LONG = 0.1 + 0.2
LARGE = 2**62 + 1


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after many rows"])
@pytest.mark.parametrize(
    ("values", "kind", "landed"),
    [
        ([1, None, -LARGE], pa.int64(), [1, None, -LARGE]),
        ([1, LONG, 2**53], pa.float64(), [1.0, LONG, 2.0**53]),
        ([LONG, 2], pa.float64(), [LONG, 2.0]),
        ([LONG, LARGE], pa.string(), [repr(LONG), str(LARGE)]),
        ([1, "x"], pa.string(), ["1", "x"]),
        (["x", LARGE, LONG], pa.string(), ["x", str(LARGE), repr(LONG)]),
        ([LONG, "", None], pa.string(), [repr(LONG), "", None]),
        ([b"\xff", "x"], pa.binary(), [b"\xff", b"x"]),
        (["x", b"\xff"], pa.binary(), [b"x", b"\xff"]),
        ([b"", None], pa.binary(), [b"", None]),
        ([None, None], pa.int64(), [None, None]),
    ],
)
async def test_a_column_has_the_type_that_holds_all_its_values(
    tmp_path: Path, values: list[object], kind: pa.DataType, landed: list[object], later: bool
) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"\nbatch_rows = 3')
    first = [None] * 10 if later else []
    rows = [(value,) for value in [*first, *values]]
    in_sqlite(lake.database, "CREATE TABLE t (a)", "INSERT INTO t VALUES (?)", rows=rows)
    await lake.run()
    assert lake.table().schema.types == [kind]
    assert [row["a"] for row in lake.rows()] == [*first, *landed]


@pytest.mark.parametrize("number", [7, LONG])
async def test_numbers_among_bytes_are_a_fault(tmp_path: Path, number: float) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    rows: list[tuple[object]] = [(b"x",), (number,)]
    in_sqlite(lake.database, "CREATE TABLE t (a)", "INSERT INTO t VALUES (?)", rows=rows)
    with pytest.raises(QualityError, match="'a' of db: t has numbers among bytes"):
        await lake.run()
    lake.configure('query = "SELECT CAST(a AS TEXT) AS a FROM t"')
    await lake.run()
    assert [row["a"] for row in lake.rows()] == ["x", str(number)]


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    with pytest.raises(ExtractError, match=r"connections\.db\.uri: there is no such file"):
        await lake.run()
    assert not lake.database.exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('table = "nope"', "refuses the query: INVALID_ARGUMENT: .* no such table: nope"),
        ('table = "t"\ncolumns = ["nam"]', "source.columns names 'nam'.* did you mean 'name'"),
        ('query = "SELEC"', "refuses the query"),
    ],
)
async def test_what_is_not_there_is_an_extract_error(
    tmp_path: Path, source: str, message: str
) -> None:
    lake = Lake(tmp_path, "sqlite", source)
    in_sqlite(lake.database, CREATE)
    with pytest.raises(ExtractError, match=message) as caught:
        await lake.run()
    assert str(lake.database) not in str(caught.value)


async def test_a_driver_that_is_not_installed_is_named_with_its_package(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "flightsql", 'table = "t"')
    with pytest.raises(ConfigError, match="pip install adbc-driver-flightsql"):
        await lake.run()


async def test_an_option_that_the_driver_does_not_know_is_cfg001(tmp_path: Path) -> None:
    more = '[connections.db.options]\n"adbc.nope" = "a-secret-value"\n'
    lake = Lake(tmp_path, "sqlite", 'table = "t"', more=more)
    in_sqlite(lake.database, CREATE)
    with pytest.raises(ConfigError, match=r"connections\.db does not open") as caught:
        await lake.run()
    assert "a-secret-value" not in str(caught.value)


async def test_check_says_what_is_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, CREATE)
    assert (await lake.check())[-1].startswith("db: t has 4 columns (SQLite 3")


async def test_a_table_of_very_many_columns_lands(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(1500)]
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(
        lake.database,
        f"CREATE TABLE t ({', '.join(names)})",
        f"INSERT INTO t VALUES ({', '.join('?' * len(names))})",  # noqa: S608  # question marks
        rows=[tuple(range(1500)), tuple("late" if n % 2 else None for n in range(1500))],
    )
    await lake.run()
    first, second = lake.rows()
    assert list(first.values()) == [str(n) if n % 2 else n for n in range(1500)]
    assert list(second.values()) == ["late" if n % 2 else None for n in range(1500)]
