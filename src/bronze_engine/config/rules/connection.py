"""What a well-typed [connections.NAME] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bronze_engine.config.connection import AdbcConnection, Connection
from bronze_engine.config.database.address import Address, address_of
from bronze_engine.config.database.drivers import DRIVERS, is_library_path
from bronze_engine.config.database.dsn import parse_dsn
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.model.nearest import nearest

__all__ = ["connection_faults"]

_IN_DSN: Final = {
    "host": "host",
    "database": "dbname",
    "user": "user",
    "password": "password",
    "passfile": "passfile",
    "sslmode": "sslmode",
    "ca_file": "sslrootcert",
    "client_cert": "sslcert",
    "client_key": "sslkey",
}
"""Keys, and what a dsn calls the same."""

_TWICE: Final = "stands in dsn already; leave one of the two out"
_USUAL_PORT: Final = 5432

_SHORTEST_SECONDS: Final = 0.001
"""The server counts in whole milliseconds."""


def connection_faults(connection: Connection, path: KeyPath) -> Iterator[Fault]:
    """Faults of a connection by itself. No text holds a credential."""
    if isinstance(connection, AdbcConnection):
        yield from _adbc_faults(connection, path)
        return
    for key in ("connect_timeout", "statement_timeout", "lock_timeout"):
        value = getattr(connection, key)
        if value is not None and value < _SHORTEST_SECONDS:
            yield Fault((*path, key), "must be 1 ms or more; to the server zero means for ever")
    for key in ("host", "database", "user", "application_name"):
        text = getattr(connection, key)
        if text is not None and (not text or "\0" in text):
            yield Fault((*path, key), "is empty, or no text that a server takes")
    where = (*path, "host" if connection.dsn is None else "dsn")
    try:
        address = address_of(connection)
    except ValueError as exc:
        yield Fault(where, str(exc))
        return
    if connection.dsn is not None:
        found = parse_dsn(connection.dsn.reveal())
        for key, name in _IN_DSN.items():
            if getattr(connection, key) is not None and name in found:
                yield Fault((*path, key), _TWICE)
        if connection.port != _USUAL_PORT and "port" in found:
            yield Fault((*path, "port"), _TWICE)
    yield from _tls_faults(address, where)


def _adbc_faults(connection: AdbcConnection, path: KeyPath) -> Iterator[Fault]:
    driver = connection.driver
    if is_library_path(driver):
        return
    if driver not in DRIVERS:
        yield Fault(
            (*path, "driver"),
            f"{nearest(driver, DRIVERS)}; any other driver is named by the path of its library",
        )
        return
    if connection.entrypoint is not None:
        yield Fault((*path, "entrypoint"), "is for the path of a library only; leave it out")
    if connection.uri is None and not connection.options:
        yield Fault((*path, "uri"), "is not set, and no option either: nothing says what to open")
    if driver == "duckdb" and connection.uri is not None and "path" in connection.options:
        yield Fault((*path, "options", "path"), "says what uri says; leave one of the two out")


def _tls_faults(address: Address, where: KeyPath) -> Iterator[Fault]:
    """Where certificates are named and none is looked at, or where there is no TLS at all."""
    path, mode = where[:-1], address.sslmode
    if address.client_key is not None and address.client_cert is None:
        yield Fault((*path, "client_key"), "needs client_cert, the certificate of that key")
    if mode in ("disable", "prefer"):
        for key in ("ca_file", "client_cert"):
            if getattr(address, key) is not None:
                yield Fault(
                    (*path, key), f'is not looked at with sslmode = "{mode}"; write "verify-full"'
                )
    elif all(each.is_socket for each in address.endpoints):
        yield Fault(
            where, "is a Unix socket, which has no TLS; leave out sslmode, ca_file and client_cert"
        )
