"""Servers for all modules of this folder: imported by each, a fixture is made anew in each."""

from __future__ import annotations

from tests.integration.postgres import (
    any_postgres,
    database,
    own_postgres,
    postgres,
    postgres_dsn,
)

__all__ = ["any_postgres", "database", "own_postgres", "postgres", "postgres_dsn"]
