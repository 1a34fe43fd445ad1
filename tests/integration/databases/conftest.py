"""Servers for all modules of this folder: imported by each, a fixture is made anew in each."""

from __future__ import annotations

from tests.integration.cli.conftest import bronze
from tests.integration.databases.by_cursor import fresh
from tests.integration.postgres import (
    any_postgres,
    database,
    own_postgres,
    postgres,
    postgres_dsn,
)

__all__ = [
    "any_postgres",
    "bronze",
    "database",
    "fresh",
    "own_postgres",
    "postgres",
    "postgres_dsn",
]
