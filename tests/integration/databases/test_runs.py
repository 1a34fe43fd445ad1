"""Whole runs over real servers: tables, views and queries, full loads, what lands and is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError, ExtractError, StateError
from tests.integration.databases.landing import DAY, Landing
from tests.integration.postgres import Database, PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ORDERS = """
CREATE TABLE orders (
  id bigint PRIMARY KEY,
  amount numeric(12,2) NOT NULL,
  note text,
  paid boolean,
  updated_at timestamptz NOT NULL
);
INSERT INTO orders
SELECT i, i / 3.0, CASE WHEN i % 5 > 0 THEN 'note ' || i END, i % 2 = 0,
       '2025-01-01 00:00:00+00'::timestamptz + i * interval '1 second'
  FROM generate_series(1, 10000) AS i;
ANALYZE orders;
"""


@pytest.fixture(scope="module")
def orders(database: Database) -> Database:
    database.execute(ORDERS)
    return database


async def test_a_table_lands_whole_with_its_types(orders: Database, tmp_path: Path) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"')
    report = await landing.run()
    table = await landing.table()
    assert report.rows == table.num_rows == 10_000
    assert [str(kind) for kind in table.schema.types[:5]] == [
        "int64", "decimal128(12, 2)", "string", "bool", "timestamp[us, tz=UTC]",
    ]  # fmt: skip
    printed = orders.execute("SELECT id, amount, note, paid FROM orders WHERE id IN (4, 10000)")
    rows = {row["id"]: row for row in table.to_pylist()}
    assert [
        (str(row["id"]), str(row["amount"]), row["note"], "t" if row["paid"] else "f")
        for row in (rows[4], rows[10_000])
    ] == printed
    assert rows[5]["note"] is None
    assert sorted(rows) == list(range(1, 10_001))
    assert await landing.unowned() == []


async def test_the_manifest_names_the_table_and_no_secret(orders: Database, tmp_path: Path) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"')
    report = await landing.run()
    source = (await landing.manifest()).source
    place = f"postgres://127.0.0.1:{orders.server.port}/{orders.name}/public.orders"
    assert (source.type, source.location) == ("postgres", place)
    assert source.bytes_in > 300_000
    assert report.requests == 1
    assert [warning for warning in report.warnings if "old date" not in warning] == []


async def test_a_query_lands_as_its_columns_and_knows_their_modifiers(
    orders: Database, tmp_path: Path
) -> None:
    query = 'SELECT id, amount, amount * 2 AS twice, upper(note) AS "Loud" FROM orders; '
    landing = Landing(tmp_path, orders, f"query = '{query}'\nwhere = 'id <= 3 -- only these'")
    await landing.run()
    table = await landing.table()
    assert str(table.schema.field("amount").type) == "decimal128(12, 2)"
    assert str(table.schema.field("twice").type) == "string"
    rows = sorted(table.to_pylist(), key=lambda row: int(row["id"] or 0))
    assert [(str(row["amount"]), row["twice"], row["Loud"]) for row in rows] == [
        ("0.33", "0.66", "NOTE 1"), ("0.67", "1.34", "NOTE 2"), ("1.00", "2.00", "NOTE 3"),
    ]  # fmt: skip
    source = (await landing.manifest()).source
    assert source.location.endswith(f"/{orders.name}/query")


async def test_columns_are_taken_in_their_order_left_and_renamed(
    orders: Database, tmp_path: Path
) -> None:
    taken = Landing(
        tmp_path / "taken",
        orders,
        'table = "orders"\ncolumns = ["note", "id"]\nwhere = "id < 9"\n'
        'rename = { id = "order_id" }',
    )
    await taken.run()
    table = await taken.table()
    assert table.column_names[:2] == ["note", "order_id"]
    assert sorted(await taken.column("order_id")) == list(range(1, 9))
    omitted = Landing(
        tmp_path / "left", orders, 'table = "orders"\nomit = ["note", "amount"]\nwhere = "id < 9"'
    )
    await omitted.run()
    assert (await omitted.table()).column_names[:3] == ["id", "paid", "updated_at"]


async def test_a_condition_may_name_the_run_date(orders: Database, tmp_path: Path) -> None:
    where = "updated_at >= {run_date} - 14 AND to_char(updated_at, 'YYYYMMDD') < {run_date:%Y%m%d}"
    landing = Landing(
        tmp_path, orders, f'table = "orders"\nwhere = "{where} AND note = ANY(\'{{{{note 7}}}}\')"'
    )
    report = await landing.run()
    assert await landing.column("id") == [7]
    assert [warning for warning in report.warnings if "old date" in warning] == []


async def test_views_partitions_and_odd_names_are_read_as_tables_are(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        """
        CREATE SCHEMA "Odd Schema";
        CREATE TABLE "Odd Schema"."T.x" ("a b" int, "c""d" text) PARTITION BY RANGE ("a b");
        CREATE TABLE part1 PARTITION OF "Odd Schema"."T.x" FOR VALUES FROM (0) TO (10);
        CREATE TABLE part2 PARTITION OF "Odd Schema"."T.x" FOR VALUES FROM (10) TO (20);
        INSERT INTO "Odd Schema"."T.x" SELECT i, 'v' || i FROM generate_series(0, 19) i;
        CREATE VIEW seen AS SELECT "a b" AS a FROM "Odd Schema"."T.x" WHERE "a b" > 4;
        """
    )
    odd = Landing(tmp_path / "odd", database, 'table = \'"Odd Schema"."T.x"\'')
    await odd.run()
    table = await odd.table()
    assert table.column_names[:2] == ["a b", 'c"d']
    assert sorted(await odd.column("a b")) == list(range(20))
    view = Landing(tmp_path / "view", database, 'table = "seen"')
    await view.run()
    assert sorted(await view.column("a")) == list(range(5, 20))


async def test_no_rows_are_a_success_without_files(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE nothing (id int, note text)")
    landing = Landing(tmp_path, database, 'table = "nothing"')
    report = await landing.run()
    assert (report.rows, report.files) == (0, 0)


async def test_a_table_without_columns_lands_its_rows(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE bare (); INSERT INTO bare SELECT FROM generate_series(1, 7)")
    landing = Landing(tmp_path, database, 'table = "bare"')
    report = await landing.run()
    assert report.rows == 7
    assert (await landing.table()).num_rows == 7


async def test_the_same_table_twice_gives_the_same_files(orders: Database, tmp_path: Path) -> None:
    hashes = []
    for name in ("one", "two"):
        landing = Landing(tmp_path / name, orders, 'table = "orders"\npartitions = 3')
        await landing.run()
        hashes.append([file.sha256 for file in (await landing.manifest()).files])
    assert len(hashes[0]) == 3
    assert hashes[0] == hashes[1]


async def test_every_version_is_read_alike(any_postgres: PostgresServer, tmp_path: Path) -> None:
    database = any_postgres.create_database()
    database.execute(ORDERS)
    landing = Landing(
        tmp_path,
        database,
        'table = "orders"\npartition_column = "id"\npartitions = 4',
        pipeline='load = "incremental"\n[pipelines.team.orders.incremental]\ncursor = "updated_at"',
    )
    report = await landing.run()
    assert sorted(await landing.column("id")) == list(range(1, 10_001))
    assert report.watermark is not None
    assert report.watermark.high == "2025-01-01T02:46:40.000000+00:00"


async def test_a_stream_of_batches_is_the_same_rows(orders: Database, tmp_path: Path) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"\npartitions = 2')
    ids: list[int] = []
    async with (
        landing.engine() as engine,
        engine.batches("team.orders", run_date=DAY) as stream,
    ):
        async for batch in stream:
            ids += [row["id"] for row in batch.to_pylist()]
    assert sorted(ids) == list(range(1, 10_001))


async def test_a_check_tells_what_would_be_read(orders: Database, tmp_path: Path) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"')
    async with landing.engine() as engine:
        findings = await engine.check("team.orders", run_date=DAY)
    told = {finding.subject: finding for finding in findings}
    assert told["source"].ok
    assert told["source"].detail.endswith(
        "public.orders can be read by bronze: a table, 5 columns, about 10,000 rows"
    )
    wrong = Landing(tmp_path / "wrong", orders, 'table = "order"')
    async with wrong.engine() as engine:
        findings = await engine.check("team.orders", run_date=DAY)
    assert "did you mean orders" in next(f.detail for f in findings if f.subject == "source")


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ('table = "orders"\ncolumns = ["idd"]', ExtractError, "did you mean 'id'"),
        ('table = "orders"\nwhere = "nope = 1"', ExtractError, "nope"),
        ('table = "orders"\nwhere = "id ="', ConfigError, "syntax error"),
        ('query = "DELETE FROM orders"', ConfigError, "gives no rows; write a SELECT"),
        ('query = "SELECT 1 AS a, 2 AS a"', ConfigError, "more than one is called 'a'"),
        ('table = "orders"\nwhere = "id / 0 > 1"', ExtractError, "division by zero"),
    ],
)
async def test_what_can_not_be_read_says_why(
    source: str, error: type[Exception], told: str, orders: Database, tmp_path: Path
) -> None:
    landing = Landing(tmp_path, orders, source)
    with pytest.raises(error, match=told):
        await landing.run()
    assert await landing.unowned() == []


@pytest.mark.parametrize("reading", ["snapshot", "keyset"])
async def test_a_key_is_named_as_the_database_calls_it_or_the_run_says_so(
    orders: Database, tmp_path: Path, reading: str
) -> None:
    source = f'table = "orders"\nreading = "{reading}"\nrename = {{ id = "note", note = "id" }}'
    landing = Landing(tmp_path, orders, source, pipeline='primary_key = ["id"]')
    assert (await landing.run()).rows == 10_000
    wrong = Landing(tmp_path / "wrong", orders, source, pipeline='primary_key = ["idd"]')
    with pytest.raises(ExtractError, match=r"primary_key names 'idd'.*did you mean 'id'"):
        await wrong.run()


async def test_rows_that_row_level_security_hides_are_spoken_of(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE owned (owner name); INSERT INTO owned VALUES ('tenant'), ('other');"
        "ALTER TABLE owned ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON owned USING (owner = current_user);"
        "CREATE ROLE tenant LOGIN PASSWORD 'tenant'; GRANT SELECT ON owned TO tenant"
    )
    host = f"{database.server.host}:{database.server.port}"
    dsn = f"postgresql://tenant:tenant@{host}/{database.name}"
    for landing, owners, is_told in (
        (Landing(tmp_path, database, 'table = "owned"', dsn=dsn), ["tenant"], True),
        (Landing(tmp_path / "all", database, 'table = "owned"'), ["tenant", "other"], False),
    ):
        report = await landing.run()
        assert await landing.column("owner") == owners
        assert any("ALTER ROLE" in told for told in report.warnings) == is_told


async def test_a_database_is_not_replayed(orders: Database, tmp_path: Path) -> None:
    landing = Landing(tmp_path, orders, 'table = "orders"')
    await landing.run()
    async with landing.engine() as engine:
        with pytest.raises(StateError, match="came from a database") as caught:
            await engine.replay("team.orders", run_date=DAY)
    assert "capture" not in str(caught.value)


async def test_an_error_lists_some_of_many_columns(database: Database, tmp_path: Path) -> None:
    columns = ", ".join(f"column_{number} int" for number in range(1000))
    database.execute(f"CREATE TABLE many ({columns})")
    for line in ('columns = ["zz"]', 'partition_column = "zz"'):
        landing = Landing(tmp_path, database, f'table = "many"\n{line}')
        with pytest.raises(ExtractError, match=r"'column_115' and 980 more$"):
            await landing.run()
