"""[connections]: connection strings, what keys and dsn mean together, and what contradicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.address import Address, Endpoint, address_of
from bronze_engine.config.database.dsn import parse_dsn
from bronze_engine.config.database.variables import with_libpq_variables
from bronze_engine.config.rules.connection import connection_faults
from bronze_engine.config.units import Duration, Secret

pytestmark = pytest.mark.unit


def connection(dsn: str | None = None, **keys: Any) -> PostgresConnection:
    return PostgresConnection(dsn=None if dsn is None else Secret(dsn), **keys)


def address(dsn: str | None = None, **keys: Any) -> Address:
    return address_of(connection(dsn, **keys))


def faults(dsn: str | None = None, **keys: Any) -> list[str]:
    return [str(each) for each in connection_faults(connection(dsn, **keys), ("connections", "db"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgresql://", {}),
        ("postgres://db.example.com", {"host": "db.example.com"}),
        (
            "postgresql://me:se%3Acret%40%2F@db:5433/my%20shop",
            {
                "user": "me",
                "password": "se:cret@/",
                "host": "db",
                "port": "5433",
                "dbname": "my shop",
            },
        ),
        (
            "postgresql://a,b:5433,[::1]:5434/x?target_session_attrs=read-write",
            {
                "host": "a,b,::1",
                "port": ",5433,5434",
                "dbname": "x",
                "target_session_attrs": "read-write",
            },
        ),
        (
            "postgresql://%2Fvar%2Frun/x?sslmode=disable",
            {"host": "/var/run", "dbname": "x", "sslmode": "disable"},
        ),
        ("postgresql:///x?host=/var/run", {"host": "/var/run", "dbname": "x"}),
        ("postgresql://db/x?ssl=true", {"host": "db", "dbname": "x", "sslmode": "require"}),
        ("postgresql://db/?channel_binding=prefer&gssencmode=disable", {"host": "db"}),
        ("postgresql://me:a+b@db", {"user": "me", "password": "a+b", "host": "db"}),
        ("", {}),
        ("host=db port = 5433", {"host": "db", "port": "5433"}),
        (
            r"user=me password='it\'s a \\ one' dbname=''",
            {"user": "me", "password": r"it's a \ one"},
        ),
        (r"password=a\ b host=db", {"password": "a b", "host": "db"}),
        ("options='-c search_path=shop'", {"options": "-c search_path=shop"}),
    ],
)
def test_both_forms_are_read_as_libpq_reads_them(text: str, found: Mapping[str, str]) -> None:
    assert parse_dsn(text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mysql://me:hunter2@db/x", "is neither a URL"),
        ("postgresql://me:hunter2@hunter2@db/x", "write it as %40"),
        ("postgresql://me:hunter2%zz@db/x", "%25"),
        ("postgresql://me:%ff@db/hunter2", "no UTF-8"),
        ("postgresql://me@hunter2:1:2/x", "[brackets]"),
        ("postgresql://db/x?hunter2", "without ="),
        ("postgresql://db/x?hunter2=1", "unknown parameter"),
        ("postgresql://db/x?channel_binding=require", "sslmode"),
        ("postgresql://db/x?gssencmode=require", "leave it out"),
        ("host=db password=hunter2 hunter2", "is neither a URL"),
        ("host=db password='hunter2", "is neither a URL"),
    ],
)
def test_what_is_no_connection_string_is_told_without_what_stands_in_it(
    text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        parse_dsn(text)
    assert "hunter2" not in str(caught.value)
    assert faults(text) == [f"connections.db.dsn: {caught.value}"]


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ({}, "prefer"),
        ({"host": "127.0.0.1"}, "prefer"),
        ({"host": "::1"}, "prefer"),
        ({"host": "/var/run/postgresql"}, "prefer"),
        ({"host": "db.example.com"}, "verify-full"),
        ({"host": "10.0.0.1"}, "verify-full"),
        ({"host": "localhost,db.example.com"}, "verify-full"),
        ({"host": "localhost", "ca_file": "ca.pem"}, "verify-full"),
        ({"host": "localhost", "client_cert": "me.pem"}, "verify-full"),
        ({"host": "db.example.com", "sslmode": "require"}, "require"),
        ({"dsn": "postgresql://db.example.com/x"}, "verify-full"),
        ({"dsn": "postgresql://db.example.com/x?sslmode=require"}, "require"),
    ],
)
def test_tls_is_verified_unless_nothing_leaves_this_machine(
    keys: dict[str, Any], mode: str
) -> None:
    assert address(**keys).sslmode == mode


def test_keys_and_dsn_are_one_address() -> None:
    found = address(
        "postgresql://me:hunter2@a,b:5433/x?target_session_attrs=standby&connect_timeout=3"
        "&application_name=dbt&sslrootcert=ca.pem&options=-c%20a%3Db",
        port=6000,
    )
    assert found.endpoints == (Endpoint("a", 5432), Endpoint("b", 5433))
    assert (found.database, found.user, found.attributes) == ("x", "me", "standby")
    assert (found.connect_timeout_seconds, found.application_name) == (3.0, "dbt")
    assert (found.ca_file, found.options) == ("ca.pem", "-c a=b")
    assert found.location == "postgres://a:5432,b:5433/x"
    assert found.password == Secret("hunter2")
    assert "hunter2" not in repr(found)
    keyed = address("postgresql://db/x?connect_timeout=3", port=6000, connect_timeout=Duration(1))
    assert keyed.endpoints == (Endpoint("db", 6000),)
    assert keyed.connect_timeout_seconds == 1.0
    assert address("postgresql://db/x?sslrootcert=system").ca_file is None
    assert address(host="::1").location == "postgres://[::1]:5432/"


def test_the_environment_says_who_we_are_where_nothing_else_does() -> None:
    variables = {
        "PGUSER": "env",
        "PGPASSWORD": "from-env",
        "PGPASSFILE": "/env",
        "HOME": "/home/me",
    }
    bare = with_libpq_variables(connection(), variables)
    assert isinstance(bare, PostgresConnection)
    assert (bare.user, bare.password, bare.passfile) == ("env", Secret("from-env"), "/env")
    usual = with_libpq_variables(connection(), {"HOME": "/home/me"})
    assert isinstance(usual, PostgresConnection)
    assert (usual.user, usual.password, usual.passfile) == (None, None, "/home/me/.pgpass")
    for stated in (
        connection("postgresql://me:hunter2@db/x?passfile=/dsn"),
        connection("postgresql://db/x", user="me", password=Secret("hunter2"), passfile="/dsn"),
    ):
        full = with_libpq_variables(stated, variables)
        assert isinstance(full, PostgresConnection)
        found = address_of(full)
        assert (found.user, found.password, found.passfile) == ("me", Secret("hunter2"), "/dsn")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"dsn": "host=a", "host": "b"}, "host"),
        ({"dsn": "dbname=a", "database": "b"}, "database"),
        ({"dsn": "user=a", "user": "b"}, "user"),
        ({"dsn": "password=a", "password": Secret("b")}, "password"),
        ({"dsn": "port=5432", "port": 5433}, "port"),
        ({"dsn": "sslmode=require", "sslmode": "prefer"}, "sslmode"),
        ({"dsn": "sslrootcert=a", "ca_file": "b"}, "ca_file"),
        ({"dsn": "port=x"}, "dsn"),
        ({"dsn": "sslmode=allow"}, "dsn"),
        ({"dsn": "host=a,b port=1,2,3"}, "dsn"),
        ({"dsn": "connect_timeout=0"}, "dsn"),
        ({"dsn": "target_session_attrs=fast"}, "dsn"),
        ({"dsn": "host=/var/run sslmode=verify-full"}, "dsn"),
        ({"host": "/var/run", "sslmode": "verify-full"}, "host"),
        ({"ca_file": "ca.pem", "sslmode": "disable"}, "ca_file"),
        ({"client_cert": "me.pem", "sslmode": "prefer"}, "client_cert"),
        ({"client_key": "me.key"}, "client_key"),
        ({"statement_timeout": Duration(0)}, "statement_timeout"),
        ({"lock_timeout": Duration(0.0001)}, "lock_timeout"),
        ({"connect_timeout": Duration(0)}, "connect_timeout"),
        ({"database": ""}, "database"),
        ({"user": "a\0b"}, "user"),
    ],
)
def test_a_contradiction_is_told_at_its_key(keys: dict[str, Any], key: str) -> None:
    told = faults(**keys)
    assert [each.partition(":")[0] for each in told] == [f"connections.db.{key}"]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"dsn": "postgresql://db.example.com/x", "user": "me", "password": Secret("x")},
        {"host": "/var/run/postgresql", "sslmode": "prefer"},
        {"host": "db", "ca_file": "ca.pem", "client_cert": "me.pem", "client_key": "me.key"},
        {"host": "db", "sslmode": "require", "ca_file": "ca.pem"},
    ],
)
def test_what_fits_together_is_no_fault(keys: dict[str, Any]) -> None:
    assert faults(**keys) == []
