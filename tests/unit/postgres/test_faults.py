"""Every SQLSTATE that asyncpg knows, and what goes wrong below it, has its meaning."""

from __future__ import annotations

import socket
import ssl

import asyncpg
import pytest

from bronze_engine.config.database.address import Endpoint
from bronze_engine.errors import AuthError, BronzeError, ConfigError, ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.postgres.faults import (
    STATES,
    Kind,
    Subject,
    Tls,
    kind_of,
    of_connecting,
    of_reading,
)

pytestmark = pytest.mark.unit

ENDPOINT = Endpoint("db.example.com", 5432)
SUBJECT = Subject(text="connections.db (postgres://db/shop)", role="me", grant="SELECT ON orders")

Meaning = type[BronzeError] | type[SliceLost] | type[Transient]

READING: dict[Kind, Meaning] = {
    "lost": SliceLost,
    "full": SliceLost,
    "credential": AuthError,
    "permission": ExtractError,
    "database": ExtractError,
    "name": ExtractError,
    "sql": ConfigError,
    "canceled": SliceLost,
    "writes": ExtractError,
    "value": ExtractError,
    "resources": ExtractError,
    "server": ExtractError,
}
CONNECTING: dict[Kind, Meaning] = {
    **READING,
    "lost": Transient,
    "full": Transient,
    "canceled": Transient,
    **dict.fromkeys(("name", "sql", "value"), ConfigError),  # of the dsn's options
}


def every_state() -> list[type[asyncpg.PostgresError]]:
    found = [
        each
        for each in vars(asyncpg.exceptions).values()
        if isinstance(each, type)
        and issubclass(each, asyncpg.PostgresError)
        and getattr(each, "sqlstate", None)
    ]
    assert len(found) > 200
    return found


def error(kind: type[asyncpg.PostgresError], **fields: str) -> asyncpg.PostgresError:
    exc = kind("the server says why")
    exc.__dict__.update(fields)
    return exc


@pytest.mark.parametrize("kind", every_state(), ids=lambda kind: kind.sqlstate)
def test_each_state_has_one_meaning_while_reading_and_one_while_connecting(
    kind: type[asyncpg.PostgresError],
) -> None:
    exc = error(kind)
    read = of_reading(exc, SUBJECT)
    assert type(read) is READING[kind_of(exc.sqlstate)]
    connected = of_connecting(exc, ENDPOINT, SUBJECT)
    assert type(connected) is CONNECTING[kind_of(exc.sqlstate)]
    for told in (read, connected):
        assert "the server says why" in str(told)
        assert exc.sqlstate in str(told)


def test_the_table_names_only_states_that_there_are() -> None:
    known = {kind.sqlstate for kind in every_state()}
    classes = {state[:2] for state in known}
    assert [state for state in STATES if state not in known | classes] == []
    assert set(STATES.values()) | {"server"} == set(READING)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("57014", "canceled"),
        ("57P01", "lost"),
        ("55P03", "lost"),
        ("55006", "server"),
        ("40001", "lost"),
        ("42601", "sql"),
        ("42P01", "name"),
        ("42501", "permission"),
        ("28P01", "credential"),
        ("53100", "resources"),
        ("53300", "full"),
        ("XX000", "server"),
        (None, "server"),
        ("", "server"),
    ],
)
def test_a_whole_code_wins_over_its_class(state: str | None, kind: Kind) -> None:
    assert kind_of(state) == kind


def test_a_statement_that_ran_into_its_timeout_is_not_read_again() -> None:
    exc = error(asyncpg.QueryCanceledError)
    assert isinstance(of_reading(exc, SUBJECT), SliceLost)
    told = of_reading(exc, SUBJECT, is_overdue=True)
    assert isinstance(told, ExtractError)
    assert "statement_timeout" in str(told)


def test_a_missing_privilege_names_the_grant() -> None:
    told = of_reading(error(asyncpg.InsufficientPrivilegeError), SUBJECT)
    assert 'GRANT SELECT ON orders TO "me"' in str(told)


def test_detail_and_hint_of_the_server_are_told() -> None:
    told = of_reading(error(asyncpg.UndefinedColumnError, hint="Perhaps x.", detail="So."), SUBJECT)
    assert "the server says why (So.; Perhaps x.) [42703]" in str(told)


def test_the_last_words_of_a_server_that_hangs_up_count() -> None:
    lost = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    assert isinstance(of_reading(lost, SUBJECT), SliceLost)
    lost.__cause__ = error(asyncpg.exceptions.DatabaseDroppedError)
    assert isinstance(of_reading(lost, SUBJECT), ExtractError)
    lost.__cause__ = error(asyncpg.AdminShutdownError)
    told = of_reading(lost, SUBJECT)
    assert isinstance(told, SliceLost)
    assert "57P01" in str(told)


BELOW = [
    (
        ConnectionRefusedError(111, "Connect call failed"),
        "unknown",
        Transient,
        "Connection refused",
    ),
    (ConnectionResetError(104, ""), "unknown", Transient, "reset"),
    (TimeoutError(), "unknown", Transient, "connect_timeout"),
    (socket.gaierror(-2, "x"), "unknown", Transient, "db.example.com can't be resolved"),
    (FileNotFoundError(2, "x"), "unknown", Transient, "No such file"),
    (PermissionError(13, "x"), "unknown", ExtractError, "may not be opened"),
    (ConnectionError("x"), "unknown", Transient, "x"),
    (ConnectionError("x"), "yes", Transient, "x"),
    (ConnectionError("x"), "no", ExtractError, "speaks no TLS"),
    (ConnectionError("x"), "foreign", ExtractError, "is no PostgreSQL"),
    (ssl.SSLEOFError(8, "x"), "unknown", Transient, "x"),
    (ssl.SSLCertVerificationError(1, "x"), "unknown", ExtractError, "ca_file"),
    (ssl.SSLError(1, "x"), "unknown", ExtractError, "client_cert"),
    (asyncpg.InterfaceError("x"), "unknown", Transient, "x"),
    (asyncpg.exceptions.UnsupportedClientFeatureError("x"), "unknown", ExtractError, "x"),
    (asyncpg.InternalClientError("x"), "unknown", ExtractError, "no PostgreSQL"),
    (asyncpg.TargetServerAttributeNotMatched("x"), "unknown", Transient, "target_session_attrs"),
]


@pytest.mark.parametrize(("exc", "tls", "kind", "words"), BELOW)
def test_what_goes_wrong_below_the_protocol_is_told_by_its_type(
    exc: Exception, tls: Tls, kind: Meaning, words: str
) -> None:
    if isinstance(exc, ssl.SSLCertVerificationError):
        exc.verify_message = "self-signed"
    told = of_connecting(exc, ENDPOINT, SUBJECT, tls=tls)
    assert type(told) is kind
    assert words in str(told)


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (ConnectionResetError(104, ""), SliceLost),
        (TimeoutError(), SliceLost),
        (asyncpg.InterfaceError("connection is closed"), SliceLost),
        (asyncpg.exceptions.UnsupportedServerFeatureError("x"), ExtractError),
        (asyncpg.exceptions.ProtocolError("x"), ExtractError),
    ],
)
def test_a_connection_that_is_gone_while_reading_means_reading_again(
    exc: Exception, kind: Meaning
) -> None:
    assert type(of_reading(exc, SUBJECT)) is kind
