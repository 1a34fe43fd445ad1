"""A database that a command line describes, beside or over an entry of [connections]."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from bronze_engine.cli.named.place import load_if_there
from bronze_engine.cli.session import LogOptions, load, mask
from bronze_engine.config.load import Config, parse_config
from bronze_engine.errors import ConfigError

__all__ = [
    "Database",
    "DatabaseOptions",
    "Host",
    "PasswordEnv",
    "Port",
    "Sslmode",
    "User",
    "load_with_database",
]

KINDS: Final = ("db", "postgres", "postgresql")
"""What a database is called that has no entry."""

Host = Annotated[
    str | None, typer.Option("--host", help="Of a database: its server, or a socket's folder.")
]
Port = Annotated[int | None, typer.Option("--port", help="Of a database. Default: 5432.")]
Database = Annotated[str | None, typer.Option("--database", help="Of a database: its name.")]
User = Annotated[str | None, typer.Option("--user", help="Of a database. Default: PGUSER.")]
PasswordEnv = Annotated[
    str | None,
    typer.Option(
        "--password-env",
        metavar="VAR",
        help="Of a database: the variable with its password. Default: PGPASSWORD, ~/.pgpass.",
    ),
]
Sslmode = Annotated[
    str | None, typer.Option("--sslmode", help="Of a database: verify-full, require, disable, ...")
]


class DatabaseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of [connections.NAME] as the command line has them; None where it does not."""

    host: str | None
    port: int | None
    database: str | None
    user: str | None
    password: str | None
    """`${VAR}`: no secret stands on a command line."""
    sslmode: str | None

    @property
    def stated(self) -> dict[str, str | int]:
        return {
            key: value for key, value in msgspec.structs.asdict(self).items() if value is not None
        }

    @property
    def are_given(self) -> bool:
        return bool(self.stated)


def load_with_database(
    path: Path,
    name: str,
    asked: DatabaseOptions,
    overrides: Sequence[str] | None,
    log: LogOptions,
) -> Config:
    """The configuration with an entry `name` in [connections] that says what is asked for.

    Where it has that entry the options are laid over it; else `name` is "db". Raises
    ConfigError.
    """
    there = load_if_there(path, overrides, log)
    if there is not None and name in there.connection_names:
        over = [
            f"connections.{json.dumps(name)}.{key}={_toml(value)}"
            for key, value in asked.stated.items()
        ]
        return load(path, [*(overrides or ()), *over], log)
    if name not in KINDS:
        raise ConfigError(
            f'there is no connection "{name}" that --host and the like could change; for a database'
            " that is not configured write: bronze test-connection db --host ..."
        )
    lines = [f"{key} = {_toml(value)}" for key, value in asked.stated.items()]
    text = "\n".join([f"[connections.{name}]", 'type = "postgres"', *lines, ""])
    beside = None if there is None else path
    config = parse_config(text, beside=beside, overrides=overrides or (), environ=os.environ)
    mask(lambda: config.secrets, log)
    return config


def _toml(value: str | int) -> str:
    if isinstance(value, str) and not value.startswith("${"):
        value = value.replace("${", "$${")
    return json.dumps(value, ensure_ascii=False)
