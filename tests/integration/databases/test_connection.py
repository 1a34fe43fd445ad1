"""Connecting to a real server: who may, where to, how well protected, and what it says if not."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import AuthError, ConfigError, ExtractError, RetryError
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.postgres.connection import end
from bronze_engine.sources.postgres.session import local_settings
from tests.integration.databases.pools import opened, refused
from tests.integration.postgres import PostgresServer, serve

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

WHO = "SELECT current_user || ' ' || current_database()"


def with_password(dsn: str, password: str) -> str:
    head, _, tail = dsn.partition("@")
    return f"{head.rpartition(':')[0]}:{password}@{tail}"


async def test_by_dsn_by_pairs_by_keys_and_by_socket_it_is_the_same_database(
    any_postgres: PostgresServer,
) -> None:
    server = any_postgres
    who = "bronze postgres"
    password = server.password
    pairs = password.replace("'", "\\'")
    async with opened() as pools:
        assert await pools.value(server.dsn, WHO) == who
        assert (
            await pools.value(
                f"host=127.0.0.1 port={server.port} user=bronze dbname=postgres password='{pairs}'",
                WHO,
            )
            == who
        )
        keys = {"port": server.port, "user": "bronze", "database": "postgres"}
        assert await pools.value(None, WHO, password=Secret(password), **keys) == who
        assert await pools.value(None, WHO, host=str(server.folder), **keys) == who
        assert (
            await pools.value(
                f"postgresql://bronze@{quote(str(server.folder), safe='')}:{server.port}/postgres",
                WHO,
            )
            == who
        )
        assert set(pools.hidden) == {password}


async def test_the_environment_of_the_process_is_not_looked_at(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "nowhere.invalid", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "wrong",
        "PGDATABASE": "nowhere", "PGSSLMODE": "verify-full", "PGTARGETSESSIONATTRS": "standby",
        "PGSERVICE": "none", "PGSSLNEGOTIATION": "direct", "PGOPTIONS": "-c nonsense=1",
        "PGSSLCERT": "/none", "PGSSLROOTCERT": "/none", "PGSSLMINPROTOCOLVERSION": "TLSv9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    async with opened() as pools:
        assert await pools.value(postgres.dsn, WHO) == "bronze postgres"
    no_password = with_password(postgres.dsn, "")
    told = await refused(no_password)
    assert isinstance(told, AuthError)
    assert "no password" in str(told)


async def test_the_passfile_has_the_password(postgres: PostgresServer, tmp_path: Path) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:{postgres.port}:*:bronze:{postgres.password}\n")
    passfile.chmod(0o600)
    keys = {"port": postgres.port, "user": "bronze", "database": "postgres", "host": "127.0.0.1"}
    async with opened() as pools:
        assert await pools.value(None, WHO, passfile=str(passfile), **keys) == "bronze postgres"
        assert pools.hidden == [postgres.password]
    passfile.chmod(0o644)
    told = await refused(None, passfile=str(passfile), **keys)
    assert isinstance(told, AuthError)


async def test_a_password_in_a_file_is_read_again_when_it_is_refused(
    postgres: PostgresServer,
) -> None:
    current = "hunter2"
    password = Secret(current, lambda: current)
    keys = {"port": postgres.port, "user": "bronze", "database": "postgres", "host": "127.0.0.1"}
    told = await refused(None, password=password, **keys)
    assert isinstance(told, AuthError)
    async with opened() as pools:
        connector = pools.connector(None, password=password, **keys)
        current = postgres.password
        for _ in range(2):
            await end(await connector.connect())
        assert pools.hidden == ["hunter2", postgres.password, postgres.password]


async def test_what_is_refused_says_what_to_do(postgres: PostgresServer) -> None:
    wrong = await refused(with_password(postgres.dsn, "hunter2"))
    assert isinstance(wrong, AuthError)
    assert f"postgres://127.0.0.1:{postgres.port}/postgres" in str(wrong)
    assert "28P01" in str(wrong)
    missing = await refused(postgres.dsn_of("nowhere"))
    assert isinstance(missing, ExtractError)
    assert "check database" in str(missing)
    postgres.execute(
        "CREATE ROLE guest LOGIN PASSWORD 'hunter2'; CREATE DATABASE closed;"
        "REVOKE CONNECT ON DATABASE closed FROM PUBLIC"
    )
    guest = f"postgresql://guest:hunter2@127.0.0.1:{postgres.port}"
    closed = await refused(f"{guest}/closed")
    assert isinstance(closed, ExtractError)
    assert 'GRANT CONNECT ON DATABASE "closed" TO "guest"' in str(closed)
    options = await refused(f"{postgres.dsn}?options=-c%20no_such_setting=1")
    assert isinstance(options, ConfigError)


async def test_no_entry_in_pg_hba_is_a_matter_of_credentials() -> None:
    with serve() as server:
        hba = server.folder / "data/pg_hba.conf"
        hba.write_text("local all all trust\nhost all bronze ::1/128 trust\n")
        server.execute("SELECT pg_reload_conf()")
        told = await refused(server.dsn)
    assert isinstance(told, AuthError)
    assert "pg_hba.conf" in str(told)


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/x", "127.0.0.1:1: Connection refused"),
        ("postgresql://me:hunter2@nowhere.invalid/x?sslmode=disable", "can't be resolved"),
        ("postgresql://me:hunter2@%2Fno%2Fsuch%2Ffolder/x", "/no/such/folder:5432: No such file"),
    ],
)
async def test_a_server_that_is_not_there_may_come(dsn: str, why: str) -> None:
    told = await refused(dsn)
    assert isinstance(told, Transient)
    assert why in told.reason
    async with opened() as pools, pools.pool(dsn).claim(pools.limits(attempts=2)) as claim:
        with pytest.raises(RetryError, match="failed 2 times"):
            async with claim.connection():
                pass


async def test_a_server_that_says_nothing_is_given_up_after_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel connects, nobody accepts
        port = silent.getsockname()[1]
        told = await refused(
            f"postgresql://me@127.0.0.1:{port}/x?sslmode=disable", connect_timeout=Duration(0.05)
        )
    assert isinstance(told, Transient)
    assert "connect_timeout" in told.reason


async def test_too_many_connections_may_pass() -> None:
    with serve(
        max_connections="2",
        superuser_reserved_connections="0",
        max_wal_senders="0",
        reserved_connections="0",
    ) as server:
        async with opened() as pools:
            held = [await pools.connector(server.dsn).connect() for _ in range(2)]
            told = await refused(server.dsn)
            assert isinstance(told, Transient)
            assert "53300" in told.reason
            async with (
                pools.pool(server.dsn).claim(pools.limits(attempts=20)) as claim,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(end, held[0])
                async with claim.connection() as connection:
                    assert await connection.fetchval("SELECT 1") == 1
            await end(*held)


async def test_the_first_host_that_is_what_was_asked_for_is_taken(
    postgres: PostgresServer,
) -> None:
    port = postgres.port
    hosts = postgres.dsn.replace(f"127.0.0.1:{port}", f"127.0.0.1:1,127.0.0.1:{port}")
    async with opened() as pools:
        for attributes in ("any", "primary", "read-write", "prefer-standby"):
            assert await pools.value(f"{hosts}?target_session_attrs={attributes}", "SELECT 1") == 1
    for attributes in ("standby", "read-only"):
        told = await refused(f"{hosts}?target_session_attrs={attributes}")
        assert isinstance(told, Transient)
        assert told.reason == f"127.0.0.1:{port} is not what target_session_attrs asks for"


PRINTED = r"""SELECT ARRAY[
    (timestamptz '2024-03-01 12:00+01')::text, (interval '1 day 2:00')::text,
    decode('0a', 'hex')::text, (0.1::float8 + 0.2::float8)::text,
    current_setting('application_name'), current_setting('statement_timeout'),
    current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')]"""


async def test_a_session_shows_who_it_is_and_prints_as_we_read(
    any_postgres: PostgresServer,
) -> None:
    database = any_postgres.create_database()
    for setting, value in {
        "DateStyle": "SQL, DMY", "IntervalStyle": "sql_standard", "TimeZone": "Asia/Kolkata",
        "extra_float_digits": "0", "bytea_output": "escape", "statement_timeout": "10000",
        "idle_in_transaction_session_timeout": "1000", "standard_conforming_strings": "off",
    }.items():  # fmt: skip
        any_postgres.execute(f"ALTER DATABASE {database.name} SET {setting} = '{value}'")
    config = PostgresConnection(dsn=Secret(database.dsn), lock_timeout=Duration(1.5))
    async with opened() as pools:
        connection = await pools.connector(database.dsn, application_name="mine").connect()
        try:
            assert await connection.fetchval("SHOW application_name") == "mine"
            version = connection.get_server_version().major
            settings = local_settings(config, version=version, pipeline=r"te'am.o\rders")
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(settings)
                printed = await connection.fetchval(PRINTED)
            assert printed == [
                "2024-03-01 11:00:00+00", "1 day 02:00:00", r"\x0a", "0.30000000000000004",
                r"bronze-engine/te'am.o\rders", "0", "1500ms", "0",
            ]  # fmt: skip
            # Nothing of it is left for whoever has the session next.
            assert await connection.fetchval("SHOW DateStyle") == "SQL, DMY"
            assert await connection.fetchval("SHOW application_name") == "mine"
        finally:
            await end(connection)


async def test_no_log_has_the_password(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened() as pools:
        assert await pools.value(postgres.dsn, "SELECT 1") == 1
        with pytest.raises(AuthError):
            await pools.value(with_password(postgres.dsn, "hunter2"), "SELECT 1")
    assert postgres.password not in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_server_that_vanishes_without_a_word_is_noticed(postgres: PostgresServer) -> None:
    async with opened() as pools:
        connection = await pools.connector(postgres.dsn).connect()
        found = connection._transport.get_extra_info("socket")
        told = [found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        told += [
            found.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            if hasattr(socket, name)
        ]
        await end(connection)
    assert told[0] == 1
    assert told[1:] in ([60, 10, 6], [])
