"""What a well-typed [connections.NAME] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.connection import AdbcConnection, Connection
from bronze_engine.config.file.fault import Fault, KeyPath

__all__ = ["connection_faults"]


def connection_faults(connection: Connection, path: KeyPath) -> Iterator[Fault]:
    """Faults of a connection by itself. No text holds a credential."""
    if isinstance(connection, AdbcConnection):
        if not connection.driver:
            yield Fault((*path, "driver"), 'is empty; write "sqlite", or the path of a library')
        return
    if connection.dsn is not None:
        for key in ("host", "database", "user"):
            if getattr(connection, key) is not None:
                yield Fault((*path, key), "stands in dsn already; leave one of the two out")
    for key in ("connect_timeout", "statement_timeout", "lock_timeout"):
        value = getattr(connection, key)
        if value is not None and value <= 0:
            yield Fault((*path, key), "must be above zero")
    if connection.client_key is not None and connection.client_cert is None:
        yield Fault((*path, "client_key"), "needs client_cert, the certificate of that key")
