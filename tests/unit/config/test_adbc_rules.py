"""What contradicts itself about a database behind a driver is CFG001 before it is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bronze_engine.config.source import AdbcSourceConfig
from bronze_engine.errors import ConfigError
from tests.unit.config.files import load

pytestmark = pytest.mark.unit

LITE = 'driver = "sqlite"\nuri = "shop.db"'


def config(connection: str = LITE, source: str = 'table = "t"', cursor: str = "") -> str:
    load = 'load = "incremental"' if cursor else ""
    return (
        f'[connections.lite]\ntype = "adbc"\n{connection}\n'
        f"[pipelines.team.orders]\n{load}\n[pipelines.team.orders.source]\n"
        f'type = "adbc"\nconnection = "lite"\n{source}\n{cursor}'
    )


CURSOR = '[pipelines.team.orders.incremental]\ncursor = "at"\n'


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ('driver = "sqlight"\nuri = "x"', 'driver: did you mean "sqlite"?; any other driver is'),
        ('driver = ""\nuri = "x"', "driver: "),
        ('driver = "sqlite"', "uri: is not set, and no option either"),
        (f'{LITE}\nentrypoint = "begin"', "entrypoint: is for the path of a library only"),
        (
            'driver = "duckdb"\nuri = "x"\noptions = {path = "y"}',
            "options.path: says what uri says",
        ),
    ],
)
def test_a_connection_that_contradicts_itself_is_refused(
    tmp_path: Path, connection: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, config(connection)).pipeline("team.orders")


@pytest.mark.parametrize(
    "connection",
    [
        'driver = "/opt/lib/libdriver.so"',
        'driver = "libdriver.so"\nentrypoint = "begin"',
        'driver = "bigquery"\noptions = {"adbc.bigquery.sql.project_id" = "p"}',
    ],
)
def test_a_library_and_a_driver_of_options_alone_are_taken(tmp_path: Path, connection: str) -> None:
    source = load(tmp_path, config(connection)).pipeline("team.orders").source
    assert isinstance(source, AdbcSourceConfig)


@pytest.mark.parametrize(
    ("source", "cursor", "message"),
    [
        ('table = "order lines"', "", "table: 'order lines' is no name of a table"),
        ('table = "t"\ncolumns = ["id"]', CURSOR, 'columns: lacks the cursor, "at"'),
        ('table = "t"\nwhere = "day = \'{run_date}\'"', "", "where: has a placeholder between"),
        ("query = \"SELECT 'x-{run_date:%Y}'\"", "", "query: has a placeholder between quotes"),
        ('query = "SELECT 1 -- of {run_date}"', "", "query: has a placeholder in a comment"),
        ('table = "t"\nwhere = "a = 1) OR (b = 2"', CURSOR, "where: closes a bracket that it did"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(
    tmp_path: Path, source: str, cursor: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path, config(source=source, cursor=cursor)).pipeline("team.orders")


@pytest.mark.parametrize(
    "source",
    [
        "table = \"t\"\nwhere = \"name = 'it''s' AND day = {run_date} AND kind = 'b'\"",
        'query = "SELECT 1 -- don\'t\\n WHERE {run_date} > 1"',
        'query = "SELECT \\"it\'s\\" FROM t WHERE day = {run_date}"',
        "query = \"SELECT '{{run_date}}'\"",
        'table = "main.orders"',
        'table = \'"Odd Name"."T"\'',
    ],
)
def test_quotes_that_end_before_a_placeholder_are_no_fault(tmp_path: Path, source: str) -> None:
    assert load(tmp_path, config(source=source)).pipeline("team.orders").name


def test_rows_of_a_batch_are_for_drivers_that_can_be_asked(tmp_path: Path) -> None:
    asked = 'table = "t"\nbatch_rows = 5'
    assert load(tmp_path, config(source=asked)).pipeline("team.orders").name
    other = 'driver = "snowflake"\nuri = "x"'
    with pytest.raises(ConfigError, match="batch_rows: has no effect: snowflake cuts batches"):
        load(tmp_path, config(other, asked)).pipeline("team.orders")
