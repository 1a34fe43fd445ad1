"""Incremental pipelines over one table, and somebody else who writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database

__all__ = ["fresh", "landing", "session"]


def landing(
    folder: Path, database: Database, cursor: str, source: str = "", **options: str
) -> Landing:
    """The table `t` of a database by a cursor; `cursor` are lines of the incremental table."""
    head = options.pop("head", 'primary_key = ["id"]')
    return Landing(
        folder,
        database,
        f'table = "t"\n{source}',
        pipeline=f'load = "incremental"\n{head}\n[pipelines.team.orders.incremental]\n{cursor}',
        **options,  # type: ignore[arg-type]  # the dsn
    )


@pytest.fixture
def fresh(database: Database) -> Database:
    """The database with an empty table `t` of ids and instants."""
    database.execute(
        "DROP TABLE IF EXISTS t; CREATE TABLE t"
        " (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), note text)"
    )
    return database


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else."""
    connection = await asyncpg.connect(database.dsn)
    try:
        yield connection
    finally:
        await connection.close()
