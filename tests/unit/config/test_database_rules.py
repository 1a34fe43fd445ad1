"""What contradicts itself about a database's source is CFG001, with the key and the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bronze_engine.config.source import AdbcSourceConfig, PostgresSourceConfig
from bronze_engine.errors import ConfigError
from tests.unit.config.files import load

pytestmark = pytest.mark.unit

CONNECTIONS = """
[connections.db]
type = "postgres"
host = "db.example"
password = "a-real-secret"
[connections.lite]
type = "adbc"
driver = "sqlite"
uri = "shop.db"
"""


def config(source: str = "", pipeline: str = "", more: str = "", kind: str = "postgres") -> str:
    connection = "db" if kind == "postgres" else "lite"
    return (
        f"{CONNECTIONS}[pipelines.team.orders]\n{pipeline}\n[pipelines.team.orders.source]\n"
        f'type = "{kind}"\nconnection = "{connection}"\n{source}\n{more}\n'
    )


INCREMENTAL = 'load = "incremental"'
CURSOR = '[pipelines.team.orders.incremental]\ncursor = "at"\n'
TABLE = 'table = "t"'


def test_a_table_is_resolved_with_its_connection(tmp_path: Path) -> None:
    loaded = load(tmp_path, config(TABLE), environ={"PGUSER": "reader", "HOME": "/home/me"})
    source = loaded.pipeline("team.orders").source
    assert isinstance(source, PostgresSourceConfig)
    assert source.connection is loaded.connection("db")
    assert (source.connection.name, source.connection.host) == ("db", "db.example")
    assert (source.connection.user, source.connection.passfile) == ("reader", "/home/me/.pgpass")
    assert "a-real-secret" in loaded.secrets
    assert "a-real-secret" not in repr(source)


@pytest.mark.parametrize(
    ("key", "value", "secrets"),
    [
        ("dsn", "postgresql://reporting:hunter22@db.example/shop", {"hunter22"}),
        ("dsn", "postgresql://reporting:p%40ss@db.example/shop", {"p%40ss", "p@ss"}),
        ("dsn", "postgresql://reporting@db.example/shop", set()),
        ("dsn", "host=db.example user=reporting password=hunter22", {"hunter22"}),
        ("uri", "postgresql://reporting:hunter22@db.example/shop", {"hunter22"}),
        ("uri", "reporting:hunter22@account/shop?warehouse=w", {"hunter22"}),
        ("uri", "grpc+tls://a-token@db.example:31337", {"a-token"}),
    ],
)
def test_of_an_address_the_password_is_secret_and_the_user_is_not(
    tmp_path: Path, key: str, value: str, secrets: set[str]
) -> None:
    """Messages name whom to grant what."""
    kind, name = ("postgres", "db") if key == "dsn" else ("adbc", "lite")
    driver = "" if key == "dsn" else 'driver = "flightsql"\n'
    connection = f'[connections.{name}]\ntype = "{kind}"\n{driver}{key} = "{value}"\n'
    text = config(TABLE, kind=kind).replace(CONNECTIONS, connection)
    loaded = load(tmp_path, text)
    loaded.pipeline("team.orders")
    assert loaded.secrets == secrets


def test_a_driver_is_resolved_with_its_connection(tmp_path: Path) -> None:
    source = load(tmp_path, config(TABLE, kind="adbc")).pipeline("team.orders").source
    assert isinstance(source, AdbcSourceConfig)
    assert source.connection.driver == "sqlite"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "source: reads a table or a query, and neither is set"),
        ('table = "t"\nquery = "SELECT 1"', "source: reads a table or a query, and both are set"),
        ('table = " "', "table: is empty"),
        ('table = "order items"', "table: 'order items' is no name of a table; write schema.table"),
        ('table = "db.public.t"', "table: 'db.public.t' has 3 parts"),
        ('table = "t"\nwhere = ""', "where: is empty"),
        ('table = "t"\ncolumns = ["a", "a"]', 'columns: names "a" 2 times'),
        ('table = "t"\ncolumns = [""]', "columns: holds an empty name"),
        ('table = "t"\nomit = ["a", "a"]', 'omit: names "a" 2 times'),
        ('table = "t"\ncolumns = ["a"]\nomit = ["b"]', "omit: has no effect beside columns"),
        ('table = "t"\nrename = {a = ""}', "rename.a: is empty"),
        ('table = "t"\nomit = ["a"]\nrename = {a = "b"}', "rename.a: is of a column that is not"),
        ('table = "t"\ncolumns = ["c"]\nrename = {a = "b"}', "rename.a: is of a column that is"),
        ('table = "t"\nrename = {a = "c", b = "c"}', 'rename: names "c" 2 times'),
        ('query = "SELECT 1"\npartitions = 4', "partitions: a query is cut by a column"),
        ('table = "t"\npartitions = 1\npartition_column = "id"', "partition_column: has no effect"),
        ('table = "t"\npartitions = 0', "partitions: expected a whole number (at least 1"),
        ('table = "t"\nreading = "keyset"', 'reading: "keyset" goes from chunk to chunk by a key'),
        ('table = "t"\nchunk_rows = 5', 'chunk_rows: is for reading = "keyset" only'),
        ('table = "t"\non_special = "drop"', "on_special: expected"),
        ('table = "t"\nwhere = "a = {job.id}"', "{job.id} is unknown here"),
        ('table = "t"\nwhere = "a = {today}"', "where:"),
        ('table = "t"\nwhere = "a > {low}"', '{low} needs load = "incremental"'),
        ('table = "t"\nwhere = "a = 1) OR (b = 2"', "where: closes a bracket that it did not open"),
        ('table = "t"\nwhere = "(a = 1"', "where: does not close the bracket at character 1"),
        ('query = "SELECT 1) AS x, (SELECT 2"', "query: closes a bracket that it did not open"),
        ('query = "SELECT\\n\'a"', "query: has no end to the ' in line 2, character 1"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, config(source)).pipeline("team.orders")


@pytest.mark.parametrize("key", ['partition_column = "id"', "partitions = 3"])
def test_a_keyset_is_not_cut(tmp_path: Path, key: str) -> None:
    source = f'{TABLE}\nreading = "keyset"\n{key}'
    with pytest.raises(ConfigError, match=r'has no effect where reading = "keyset"'):
        load(tmp_path, config(source, 'primary_key = ["id"]')).pipeline("team.orders")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (CURSOR + 'step = "1d"', "step: is for HTTP only"),
        (CURSOR + 'start_param = "since"', "start_param: is for HTTP only"),
        (CURSOR + 'lookback = "2h"', "lookback: reads rows that have landed before"),
        (CURSOR + "low_open = false", "low_open: reads rows that have landed before"),
        ("[pipelines.team.orders.schema]\nraw = true", "raw: has no effect here"),
        ('[pipelines.team.orders.schema]\nnested = "json"', "nested: has no effect here"),
        ('[pipelines.team.orders.schema]\nflatten = "_"', "flatten: has no effect here"),
        ('[pipelines.team.orders.schema]\non_drift = "fail"', "on_drift: has no effect here"),
    ],
)
def test_what_does_not_fit_a_database_is_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, config(TABLE, INCREMENTAL, more)).pipeline("team.orders")


@pytest.mark.parametrize(
    ("cursor", "message"),
    [
        ('cursor_type = "text"\nlookback = "2h"', "lookback: can't go back from a text"),
        ('cursor_type = "date"\nlookback = "2h"', "lookback: of dates is a number of whole days"),
        ('cursor_type = "xid8"\nlookback = "500ms"', 'lookback: of cursor_type = "xid8" is a'),
        ("lookback = 0", "lookback: must be above zero"),
    ],
)
def test_a_lookback_must_fit_its_cursor(tmp_path: Path, cursor: str, message: str) -> None:
    pipeline = f'{INCREMENTAL}\nprimary_key = ["id"]'
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, config(TABLE, pipeline, CURSOR + cursor)).pipeline("team.orders")


@pytest.mark.parametrize("kind", ["http", "adbc"])
def test_transactions_are_cursors_of_postgres_alone(tmp_path: Path, kind: str) -> None:
    text = config(TABLE, INCREMENTAL, CURSOR + 'cursor_type = "xid8"', kind)
    if kind == "http":
        text = (
            '[apis.shop]\nbase_url = "https://shop.example"\n'
            f"[pipelines.team.orders]\n{INCREMENTAL}\n"
            '[pipelines.team.orders.source]\ntype = "http"\napi = "shop"\n'
            f'{CURSOR}cursor_type = "xid8"\n'
        )
    with pytest.raises(ConfigError, match='"xid8" is for Postgres only'):
        load(tmp_path, text).pipeline("team.orders")


def test_low_open_is_of_databases_alone(tmp_path: Path) -> None:
    text = (
        '[apis.shop]\nbase_url = "https://shop.example"\n'
        f'[pipelines.team.orders]\n{INCREMENTAL}\nprimary_key = ["id"]\n'
        '[pipelines.team.orders.source]\ntype = "http"\napi = "shop"\n'
        f"{CURSOR}low_open = false\n"
    )
    with pytest.raises(ConfigError, match="low_open: is for databases only"):
        load(tmp_path, text).pipeline("team.orders")


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("", "connection: missing; it names an entry of [connections]"),
        ('connection = "dp"', 'there is no connection "dp"; known are "db", "lite"'),
        ('connection = "lite"', 'is of type "adbc", and the source of "postgres"'),
    ],
)
def test_a_wrong_connection_is_refused(tmp_path: Path, connection: str, message: str) -> None:
    text = config(TABLE).replace('connection = "db"', connection)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, text).pipeline("team.orders")


def test_how_a_table_is_cut_is_no_new_configuration(tmp_path: Path) -> None:
    def hash_of(source: str) -> str:
        return load(tmp_path, config(source)).pipeline("team.orders").config_hash

    plain = hash_of(TABLE)
    assert hash_of(f'{TABLE}\npartitions = 3\nparallel = 2\npartition_column = "id"') == plain
    for other in ('omit = ["a"]', 'where = "a > 1"', 'on_special = "null"', 'rename = {a = "b"}'):
        assert hash_of(f"{TABLE}\n{other}") != plain
