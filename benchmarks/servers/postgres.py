"""PostgreSQL for the benchmarks: a server of their own, whose tables may outlive it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.postgres_server import INSTALLATIONS, PostgresServer

__all__ = ["dsn_of", "name_of", "serve"]

SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "8GB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "synchronize_seqscans": "off",  # every reading begins at the first block, as the first did
}
"""As a careful administrator sets them on a machine of this size; the rest at its default."""

ROLE = "bench"
"""Its password is the same: what must be escaped in a dsn is read in several ways."""


@contextmanager
def serve(folder: Path) -> Iterator[PostgresServer]:
    """The newest server that is here, on what `folder` holds; ended with the block."""
    version = max(INSTALLATIONS)
    place = folder / f"postgres-{version}"
    place.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:  # as root it would not start: it runs as nobody, who must get there
        shutil.chown(place, "nobody", "nogroup")
    server = PostgresServer(place, version, SETTINGS)
    server.start()
    try:
        if not server.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'"):  # noqa: S608
            server.execute(
                f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'; GRANT pg_read_all_data TO {ROLE}"
            )
        yield server
    finally:
        server.stop()


def dsn_of(server: PostgresServer) -> str:
    return f"postgresql://{ROLE}:{ROLE}@{server.host}:{server.port}/postgres"


def name_of(server: PostgresServer) -> str:
    """`PostgreSQL 18.4`."""
    told = server.execute("SHOW server_version")[0][0] or ""
    return f"PostgreSQL {told.split()[0]}"
