"""`bronze inspect --connection` and `bronze discover`: what they say, and that it lands."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.command import DATE, Bronze
from tests.integration.postgres import Database

pytestmark = pytest.mark.integration

TABLES = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    amount numeric(18,4) NOT NULL,
    rate numeric,
    note text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON orders (updated_at);
INSERT INTO orders (amount, rate, note)
    SELECT n / 7.0, n / 3.0, CASE WHEN n % 2 = 0 THEN 'note ' || n END
    FROM generate_series(1, 1000) n;
CREATE TABLE rates (currency text, day date, rate float8, UNIQUE (day, currency));
ALTER TABLE rates ALTER currency SET NOT NULL, ALTER day SET NOT NULL;
CREATE TABLE plain (a int, "Odd Name" text);
INSERT INTO plain VALUES (1, 'x'), (NULL, NULL);
CREATE TABLE "Odd.Table" (v int PRIMARY KEY);
CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE VIEW recent AS SELECT id, amount FROM orders;
CREATE SCHEMA nothing;
ANALYZE;
CREATE ROLE reader LOGIN PASSWORD 'reader-canary';
GRANT SELECT (id, note) ON orders TO reader;
GRANT SELECT ON plain TO reader;
"""


@pytest.fixture(scope="module", autouse=True)
def tables(database: Database) -> None:
    database.execute(TABLES)


@pytest.fixture
def folder(bronze: Bronze, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    server = database.server
    monkeypatch.setenv("DB_PASSWORD", server.password)
    (bronze.folder / "pipelines.toml").write_text(
        '[engine]\ntarget = "lake"\n'
        f'[connections.db]\ntype = "postgres"\nhost = "{server.host}"\nport = {server.port}\n'
        f'database = "{database.name}"\nuser = "{server.user}"\npassword = "${{DB_PASSWORD}}"\n'
        '[connections.reader]\ntype = "postgres"\n'
        f'dsn = "postgresql://reader:reader-canary@{server.host}:{server.port}/{database.name}"\n'
        '[connections.lite]\ntype = "adbc"\ndriver = "sqlite"\nuri = "a.db"\n'
    )
    return bronze.folder


def inspected(bronze: Bronze, table: str, connection: str = "db") -> dict[str, Any]:
    found = bronze.well("inspect", table, "--connection", connection, "--json").json
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("folder")
def test_a_table_is_told_with_its_key_cursor_types_and_size(bronze: Bronze) -> None:
    found = inspected(bronze, "orders")
    assert (found["pipeline"], found["location"]) == ("db.orders", "db: public.orders")
    assert (found["row_estimate"], found["kind"], found["slices"]) == (1000, "table", 1)
    assert 0 < found["size_bytes"] < found["total_bytes"]
    assert (found["primary_key"], found["why_key"]) == (["id"], "the primary key")
    cursors = [(one["column"], one["cursor_type"], one["is_indexed"]) for one in found["cursors"]]
    assert cursors == [("updated_at", "timestamp", True), ("id", "integer", True)]
    columns = {one["name"]: one for one in found["columns"]}
    assert columns["amount"]["type"] == "decimal128(18, 4)"
    assert columns["amount"]["source_type"] == "numeric(18,4)"
    assert columns["rate"]["type"] == "string"
    assert columns["note"]["null_share"] == pytest.approx(0.5)
    assert columns["note"]["example"] == "note 2"
    assert len(found["sample"]) == 5


@pytest.mark.usefixtures("folder")
def test_what_people_read_has_the_same(bronze: Bronze) -> None:
    out = bronze.well("inspect", "public.orders", "--connection", "db").out
    for text in ("about 1,000", "id: the primary key", "updated_at (timestamp, indexed)", "NULL"):
        assert text in out
    toml = out[out.index("[pipelines") :]
    assert toml == bronze.well("inspect", "orders", "--connection", "db", "--toml").out


@pytest.mark.usefixtures("folder")
def test_a_unique_index_without_nulls_is_a_key_too(bronze: Bronze) -> None:
    found = inspected(bronze, "rates")
    assert found["primary_key"] == ["day", "currency"]
    assert found["why_key"] == "a unique index without NULLs"
    assert inspected(bronze, "plain")["primary_key"] == []


@pytest.mark.usefixtures("folder")
def test_odd_names_are_quoted_where_sql_needs_it(bronze: Bronze) -> None:
    found = inspected(bronze, '"Odd.Table"')
    assert found["pipeline"] == "db.Odd_Table"
    table = tomllib.loads(found["toml"])["pipelines"]["db"]["Odd_Table"]
    assert table["source"]["table"] == 'public."Odd.Table"'


def test_the_printed_table_lands(bronze: Bronze, folder: Path) -> None:
    toml = bronze.well("inspect", "orders", "--connection", "db", "--toml").out
    with (folder / "pipelines.toml").open("a") as file:
        file.write(toml)
    ran = bronze.well("run", "db.orders", "--date", DATE, "--json").json
    assert ran["rows"] == 1000


def test_the_lines_in_comments_read_only_what_is_new(bronze: Bronze, folder: Path) -> None:
    toml = bronze.well("inspect", "orders", "--connection", "db", "--toml").out
    lines = [line.removeprefix("# ") for line in toml.splitlines()]
    lines = [line for line in lines if not line.startswith(("Only what", "numeric without"))]
    text = "\n".join(lines).replace('load = "full"', 'load = "incremental"')
    text = text.replace("decimal(38,10)", "decimal(38,20)")  # thirds have more digits than most
    with (folder / "pipelines.toml").open("a") as file:
        file.write(text)
    assert bronze.well("run", "db.orders", "--date", DATE, "--json").json["rows"] == 1000
    assert bronze.well("run", "db.orders", "--date", "2025-01-16", "--json").json["rows"] == 0


@pytest.mark.usefixtures("folder")
def test_columns_that_may_not_be_read_are_left_out(bronze: Bronze) -> None:
    found = inspected(bronze, "orders", "reader")
    assert [one["name"] for one in found["columns"]] == ["id", "note"]
    assert "reader may not read amount, rate, updated_at; they are left out" in found["notes"]
    source = tomllib.loads(found["toml"])["pipelines"]["reader"]["orders"]["source"]
    assert source["omit"] == ["amount", "rate", "updated_at"]
    ran = bronze("inspect", "rates", "--connection", "reader")
    assert (ran.status, "GRANT SELECT ON" in ran.err) == (4, True)
    assert "reader-canary" not in ran.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("ordrs", "--connection", "db"), 4, "did you mean"),
        (("a.b.c", "--connection", "db"), 2, "has 3 parts"),
        (("orders", "--connection", "dp"), 2, 'there is no connection "dp"'),
        (("orders", "--connection", "lite"), 2, "connections.lite is of type adbc"),
        (("orders", "--connection", "db", "--records", "x"), 2, "are of APIs"),
    ],
)
def test_what_can_not_be_inspected(
    bronze: Bronze, arguments: tuple[str, ...], status: int, message: str
) -> None:
    ran = bronze("inspect", *arguments)
    assert ran.status == status
    assert message in ran.err


def test_a_schema_is_discovered_and_all_of_it_lands(bronze: Bronze, folder: Path) -> None:
    found = bronze.well("discover", "db").out
    tables = tomllib.loads(found)["pipelines"]["db"]
    assert list(tables) == ["Odd_Table", "events", "orders", "plain", "rates"]
    with (folder / "pipelines.toml").open("a") as file:
        file.write(found)
    rows = {
        name: bronze.well("run", f"db.{name}", "--date", DATE, "--json").json["rows"]
        for name in tables
    }
    assert rows == {"Odd_Table": 0, "events": 0, "orders": 1000, "plain": 2, "rates": 0}


def test_a_name_that_is_taken_gets_a_number(bronze: Bronze, folder: Path) -> None:
    with (folder / "pipelines.toml").open("a") as file:
        file.write(bronze.well("discover", "db", "--table", "orders").out)
    found = bronze.well("discover", "db", "--table", "ord*", "--json").json
    assert found["pipelines"] == ["db.orders_2"]


@pytest.mark.usefixtures("folder")
def test_views_are_discovered_where_asked_for(bronze: Bronze) -> None:
    assert "recent" not in bronze.well("discover", "db", "--json").json["pipelines"]
    found = bronze.well("discover", "db", "--views", "--json").json
    assert "db.recent" in found["pipelines"]


@pytest.mark.usefixtures("folder")
def test_what_may_not_be_read_is_told_and_left_out(bronze: Bronze) -> None:
    ran = bronze.well("discover", "reader")
    assert list(tomllib.loads(ran.out)["pipelines"]["reader"]) == ["orders", "plain"]
    assert "note: public.rates may not be read by this user" in ran.err


@pytest.mark.usefixtures("folder")
def test_a_schema_without_tables_and_one_that_is_not_there(bronze: Bronze) -> None:
    ran = bronze.well("discover", "db", "--schema", "nothing")
    assert (ran.out, "the schema nothing has no such table" in ran.err) == ("", True)
    ran = bronze("discover", "db", "--schema", "nowhere")
    assert (ran.status, "known are 'nothing', 'public'" in ran.err) == (4, True)
