"""Where a PostgreSQL server is and how it is to be met: a connection's keys and its dsn as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from bronze_engine.config.connection import PostgresConnection, SslMode
from bronze_engine.config.database.dsn import parse_dsn
from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.config.units import Secret
from bronze_engine.model.nearest import nearest

__all__ = ["Address", "Endpoint", "SessionAttributes", "address_of"]

SessionAttributes = Literal[
    "any", "read-write", "read-only", "primary", "standby", "prefer-standby"
]
"""Which of several hosts will do, as libpq says it in target_session_attrs."""

_DEFAULT_PORT: Final = 5432
_DEFAULT_NAME: Final = "bronze-engine"
_DEFAULT_SECONDS: Final = 10.0
"""As the keys have them: one that stands at its default has not been set, so a dsn may."""


class Endpoint(msgspec.Struct, frozen=True):
    """One server: a name or an address, or the directory of a Unix socket."""

    host: str
    port: int

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Whether nothing that is sent there leaves this machine."""
        return self.is_socket or is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What connecting needs: parsed, with the defaults that follow from it."""

    endpoints: tuple[Endpoint, ...]
    """Tried in this order."""
    database: str | None
    """Where None the user's name."""
    user: str | None
    """Where None the name of the process's user."""
    password: Secret | None
    passfile: str | None
    sslmode: SslMode
    ca_file: str | None
    client_cert: str | None
    client_key: str | None
    application_name: str
    connect_timeout_seconds: float
    """For each endpoint."""
    attributes: SessionAttributes
    options: str | None
    """Command-line options for the server: "-c search_path=shop"."""

    @property
    def location(self) -> str:
        """For messages and manifests: no user, no secret."""
        places = ",".join(map(str, self.endpoints))
        return f"postgres://{places}/{self.database or self.user or ''}"


def address_of(connection: PostgresConnection) -> Address:
    """The address that a connection means; what stands in its keys wins over its dsn.

    Raises ValueError for a dsn that is none; its text goes on after "dsn" and holds no secret.
    """
    found = {} if connection.dsn is None else parse_dsn(connection.dsn.reveal())
    host = connection.host or found.get("host") or "localhost"
    endpoints = _endpoints(host, found.get("port") or str(connection.port))
    ca_file = connection.ca_file or found.get("sslrootcert")
    client_cert = connection.client_cert or found.get("sslcert")
    password = connection.password
    if password is None and "password" in found:
        password = Secret(found["password"])
    return Address(
        endpoints=endpoints,
        database=connection.database or found.get("dbname"),
        user=connection.user or found.get("user"),
        password=password,
        passfile=connection.passfile or found.get("passfile"),
        sslmode=connection.sslmode
        or _one_of(get_args(SslMode), "sslmode", found)
        or _usual_sslmode(endpoints, is_tls_meant=bool(ca_file or client_cert)),
        ca_file=None if ca_file == "system" else ca_file,  # libpq's word for the system's
        client_cert=client_cert,
        client_key=connection.client_key or found.get("sslkey"),
        application_name=found.get("application_name", _DEFAULT_NAME)
        if connection.application_name == _DEFAULT_NAME
        else connection.application_name,
        connect_timeout_seconds=_seconds(found["connect_timeout"])
        if "connect_timeout" in found and connection.connect_timeout == _DEFAULT_SECONDS
        else float(connection.connect_timeout),
        attributes=_one_of(get_args(SessionAttributes), "target_session_attrs", found) or "any",
        options=found.get("options"),
    )


def _endpoints(host: str, port: str) -> tuple[Endpoint, ...]:
    hosts = [each.strip() or "localhost" for each in host.split(",")]
    ports = [_port(each.strip()) for each in port.split(",")]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(f"names {len(hosts)} hosts and {len(ports)} ports; give each host one")
    return tuple(map(Endpoint, hosts, ports))


def _port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError("has a port that is no number from 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ValueError(f"has connect_timeout={text}; it is a whole number of seconds")
    return float(text)


def _one_of(known: tuple[Any, ...], key: str, found: Mapping[str, str]) -> Any:
    value = found.get(key)
    if value is not None and value not in known:
        raise ValueError(f"has {key}={value}; {nearest(value, known)}")
    return value


def _usual_sslmode(endpoints: Sequence[Endpoint], *, is_tls_meant: bool) -> SslMode:
    """Verified wherever somebody may listen, and where certificates are named."""
    if is_tls_meant or not all(each.is_local for each in endpoints):
        return "verify-full"
    return "prefer"
