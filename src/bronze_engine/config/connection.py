"""[connections.NAME]: a database, and how it is reached."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.api import CircuitBreaker, Retry
from bronze_engine.config.units import Duration, Secret

__all__ = ["AdbcConnection", "Connection", "PostgresConnection", "SslMode"]

SslMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
"""As libpq knows them."""


class PostgresConnection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="postgres"
):
    """A PostgreSQL database. Where it is stands in `dsn`, or in host, port and database."""

    name: str = ""
    """The key in [connections], set on loading."""
    dsn: Secret | None = None
    """postgresql://user:password@host:port/database, or libpq's key=value form; never shown."""
    host: str | None = None
    """A name, an address, or the directory of a Unix socket; several with commas between them,
    tried in turn; where unset localhost."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 5432
    """Of each host; where `dsn` names one, that counts."""
    database: str | None = None
    """Where unset the user's name, as for psql."""
    user: str | None = None
    """Where unset PGUSER, else the name of the process's user."""
    password: Secret | None = None
    """Where unset PGPASSWORD, else what the passfile says."""
    passfile: str | None = None
    """Where unset PGPASSFILE, else ~/.pgpass. A file that others can read is not used."""
    sslmode: SslMode | None = None
    """Where unset "verify-full"; on this machine (loopback, a Unix socket) "prefer", unless ca_file
    or client_cert is named."""
    ca_file: str | None = None
    """PEM file with the certificate authorities to trust in place of the system's."""
    client_cert: str | None = None
    """PEM file that proves who we are, with its key unless client_key is set."""
    client_key: str | None = None
    """PEM file with the key of client_cert, where that file does not hold it."""
    application_name: str = "bronze-engine"
    """What pg_stat_activity shows; while a run reads, its pipeline follows behind a slash."""
    connect_timeout: Duration = Duration(10)
    """For each host: look-up, TCP, TLS and login."""
    statement_timeout: Duration | None = None
    """The server ends a statement that takes longer, a whole COPY too; where unset nothing does."""
    lock_timeout: Duration = Duration(30)
    """The longest wait for a lock that somebody else holds."""
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    """Connections of this process, over all pipelines."""
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()


class AdbcConnection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="adbc"
):
    """A database behind an ADBC driver."""

    name: str = ""
    """The key in [connections], set on loading."""
    driver: str
    """"sqlite", "duckdb", "postgresql", "snowflake", "bigquery" or "flightsql", of which each has
    a package to install, or the path of a driver's shared library."""
    entrypoint: str | None = None
    """The function that a shared library begins with, where it has no usual name."""
    uri: Secret | None = None
    """What the driver opens: a file, a URL; never shown. A file that is not there is a fault: no
    driver makes one."""
    options: dict[str, Secret] = {}
    """The driver's own options of a database ("adbc.snowflake.sql.warehouse"); never shown."""
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    """Connections of this process, over all pipelines."""
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()


Connection = PostgresConnection | AdbcConnection
