"""Every block of docs/postgres.md is run here, in the order in which it stands."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.load import load_config
from bronze_engine.config.source import PostgresSourceConfig
from tests.documents import POSTGRES
from tests.integration.cli.command import DATE, Bronze
from tests.integration.postgres import Database

pytestmark = pytest.mark.integration

BEGIN, CONNECTION, SOURCE, KEYSET, INCREMENTAL = POSTGRES.blocks("toml")
PASSWORD = "canary-of-the-guide"


@pytest.fixture(scope="module", autouse=True)
def tables(database: Database) -> None:
    [grants] = POSTGRES.blocks("sql")
    role = f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"
    database.execute(f"""
        CREATE TABLE orders (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
        INSERT INTO orders SELECT generate_series(1, 100);
        CREATE SCHEMA sales;
        CREATE TABLE sales.orders (
            id int PRIMARY KEY, amount numeric(18,4), at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(), region text NOT NULL DEFAULT 'EU');
        INSERT INTO sales.orders (id, amount) SELECT n, n / 3.0 FROM generate_series(1, 50) n;
        INSERT INTO sales.orders (id, region) VALUES (51, 'US');
        {grants.replace("CREATE ROLE reader LOGIN PASSWORD '...'", role)}
        GRANT USAGE ON SCHEMA sales TO reader;
        GRANT SELECT ON sales.orders TO reader;
    """)  # noqa: S608  # the guide's own


@pytest.fixture
def bronze_here(bronze: Bronze, database: Database, monkeypatch: pytest.MonkeyPatch) -> Bronze:
    """A folder with the first block, its host the test's."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    where = f'host = "{database.server.host}"\nport = {database.server.port}'
    text = BEGIN.replace('host = "db.example.com"', where)
    text = text.replace('database = "shop"', f'database = "{database.name}"')
    (bronze.folder / "pipelines.toml").write_text(text)
    return bronze


def test_the_first_steps_land_a_table(bronze_here: Bronze, database: Database) -> None:
    lines = POSTGRES.blocks("sh")[0].splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    assert [command[0] for command in commands] == ["test-connection", "inspect", "discover", "run"]
    assert "PostgreSQL" in bronze_here.well(*commands[0]).out
    assert "int32" in bronze_here.well(*commands[1]).out
    assert commands[2][-2:] == [">>", "pipelines.toml"]
    with (bronze_here.folder / "pipelines.toml").open("a") as file:
        file.write(bronze_here.well(*commands[2][:-2]).out)
    bronze_here.well(*commands[3], "--date", DATE)
    report = bronze_here.well(*commands[3], "--date", DATE, "--json").json
    assert report["rows"] == 100
    named = shlex.split(POSTGRES.blocks("sh")[1].splitlines()[1])[1:]
    given = {
        "db.example.com": database.server.host,
        "shop": database.name,
    }
    arguments = [given.get(each, each) for each in named]
    found = bronze_here.well(*arguments, "--port", str(database.server.port)).out
    assert "PostgreSQL" in found
    assert PASSWORD not in found


def test_the_connection_is_valid(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/db-ca.pem").write_text("a certificate\n")
    (tmp_path / "pipelines.toml").write_text(CONNECTION)
    config = load_config(tmp_path / "pipelines.toml", environ={"WAREHOUSE_PASSWORD": "a-secret"})
    assert config.connection("warehouse").name == "warehouse"


@pytest.mark.parametrize("is_keyset", [False, True], ids=["snapshot", "keyset"])
def test_what_is_read_and_only_what_is_new(bronze_here: Bronze, is_keyset: bool) -> None:
    tables = [tomllib.loads(block) for block in (SOURCE, INCREMENTAL)]
    pipeline: dict[str, Any] = tables[1]["pipelines"]["shop"]["orders"]
    source = tables[0]["pipelines"]["shop"]["orders"]["source"]
    overrides = {f"pipelines.shop.orders.source.{key}": value for key, value in source.items()}
    if is_keyset:
        chunks = tomllib.loads(KEYSET)["pipelines"]["shop"]["orders"]["source"]
        overrides |= {f"pipelines.shop.orders.source.{key}": chunks[key] for key in chunks}
    path = bronze_here.folder / "pipelines.toml"
    path.write_text(f"{path.read_text()}{INCREMENTAL}[pipelines.shop.orders.source]\n")
    lines = [f"{key.rpartition('.')[2]} = {_toml(value)}" for key, value in overrides.items()]
    path.write_text("\n".join([path.read_text(), *lines, ""]))
    loaded = load_config(path).pipeline("shop.orders").source
    assert isinstance(loaded, PostgresSourceConfig)
    assert loaded.reading == ("keyset" if is_keyset else "snapshot")
    assert list(pipeline["primary_key"]) == ["id"]
    report = bronze_here.well("run", "shop.orders", "--date", DATE, "--json").json
    assert report["rows"] == 50
    again = bronze_here.well("run", "shop.orders", "--date", "2025-01-16", "--json").json
    assert (again["rows"], again["late_rows"]) == (50, 50)  # the lookback reads two hours again


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
