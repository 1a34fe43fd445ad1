"""rediss://: the server's certificate and name are verified, always."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.limits.redis.tokens import RedisTokens
from bronze_engine.limits.tokens import SharedRate
from tests.integration.limits.tls_front import tls_front
from tests.integration.redis import RedisServer, redis_server

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

__all__ = ["redis_server"]

RATE = SharedRate(group="shop", kind="second", rate=10, capacity=5)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def is_reached(url: str) -> bool:
    tokens = RedisTokens(parse_redis_url(url), clock=SYSTEM_CLOCK)
    try:
        return await tokens.lease(RATE, 1) is not None
    finally:
        await tokens.aclose()


async def test_only_a_certificate_that_is_trusted_and_names_the_host_is_taken(
    redis_server: RedisServer,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with tls_front(redis_server.port, server_tls(authority, "localhost")) as port:
        assert not await is_reached(f"rediss://localhost:{port}/0")
        assert "certificate verify failed" in caplog.text
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert await is_reached(f"rediss://localhost:{port}/0")
        assert not await is_reached(f"rediss://127.0.0.1:{port}/0")  # another name
        assert not await is_reached(f"redis://localhost:{port}/0")  # in clear, to a TLS port
