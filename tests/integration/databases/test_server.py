"""The servers of these tests do what the tests rely on."""

from __future__ import annotations

import pytest

from tests.integration.postgres import Database, PostgresServer

pytestmark = pytest.mark.integration


def test_each_version_is_the_one_that_it_says(any_postgres: PostgresServer) -> None:
    told = any_postgres.execute("SELECT current_setting('server_version_num')::int / 10000")
    assert told == [(str(any_postgres.version),)]


def test_values_come_as_the_server_prints_them(database: Database) -> None:
    rows = database.execute(
        "CREATE TABLE t (a text, b text);"
        "INSERT INTO t VALUES (NULL, ''), (E'a\\r\\n|\\tb', 'ü'), ('', '\x1f');"
        "SELECT * FROM t; SELECT 1 WHERE false; SELECT 'last'"
    )
    assert rows == [(None, ""), ("a\r\n|\tb", "ü"), ("", "\x1f"), ("last",)]


def test_an_error_of_the_server_is_told(database: Database) -> None:
    with pytest.raises(AssertionError, match='relation "nowhere" does not exist'):
        database.execute("SELECT * FROM nowhere")


@pytest.mark.slow
def test_a_killed_server_comes_back_with_what_was_committed(own_postgres: PostgresServer) -> None:
    own_postgres.execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
    own_postgres.kill9()
    own_postgres.start()
    assert own_postgres.execute("SELECT * FROM t") == [("1",)]
    own_postgres.restart("immediate")
    assert own_postgres.execute("SELECT * FROM t") == [("1",)]
