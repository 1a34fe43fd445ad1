"""Variables of the environment, as libpq names them, that stand in for keys of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bronze_engine.config.connection import Connection, PostgresConnection
from bronze_engine.config.database.dsn import parse_dsn
from bronze_engine.config.units import Secret

__all__ = ["with_libpq_variables"]

_PASSFILE: Final = ".pgpass"


def with_libpq_variables(connection: Connection, variables: Mapping[str, str]) -> Connection:
    """The connection with PGUSER, PGPASSWORD and PGPASSFILE where neither it nor its dsn says.

    They say who we are, never where: which server is read stands in pipelines.toml.
    """
    if not isinstance(connection, PostgresConnection):
        return connection
    try:
        stated = {} if connection.dsn is None else parse_dsn(connection.dsn.reveal())
    except ValueError:  # told by connection_faults
        return connection
    changes: dict[str, object] = {}
    if connection.user is None and "user" not in stated and variables.get("PGUSER"):
        changes["user"] = variables["PGUSER"]
    if connection.password is None and "password" not in stated and variables.get("PGPASSWORD"):
        changes["password"] = Secret(variables["PGPASSWORD"])
    if connection.passfile is None and "passfile" not in stated:
        home = variables.get("HOME")
        usual = f"{home}/{_PASSFILE}" if home else None
        changes["passfile"] = variables.get("PGPASSFILE") or usual
    return msgspec.structs.replace(connection, **changes)
