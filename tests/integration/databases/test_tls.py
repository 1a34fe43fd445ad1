"""TLS as sslmode asks for it: verified, only encrypted, preferred; and certificates of ours."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.limits.transient import Transient
from tests.integration.databases.front import front
from tests.integration.databases.pools import opened, refused
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_tls(authority: trustme.CA, *names: str, asks: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def through(database: Database, port: int, host: str = "localhost", **parameters: str) -> str:
    """The database's dsn with another host and port."""
    dsn = database.server.dsn_of(database.name, **parameters)
    return dsn.replace(f"127.0.0.1:{database.server.port}", f"{host}:{port}")


async def test_tls_is_verified_against_the_authority_and_the_name(
    database: Database, authority: trustme.CA, ca_file: str
) -> None:
    upstream = ("127.0.0.1", database.server.port)
    tls = server_tls(authority, "localhost")
    async with opened() as pools, front(upstream, tls=tls) as there:
        # Named by an authority: verify-full, on this machine too.
        assert await pools.value(through(database, there.port), "SELECT 1", ca_file=ca_file) == 1
        assert there.encrypted == 1
        untrusted = await refused(through(database, there.port, sslmode="verify-full"))
        assert isinstance(untrusted, ExtractError)
        assert "ca_file" in str(untrusted)
        unchecked = through(database, there.port, sslmode="require")
        assert await pools.value(unchecked, "SELECT 1") == 1
        untrusted = await refused(unchecked, ca_file=trusted_by_nobody(ca_file))
        assert isinstance(untrusted, ExtractError)
        by_address = through(database, there.port, "127.0.0.1")
        other_name = await refused(by_address, ca_file=ca_file)
        assert isinstance(other_name, ExtractError)
        assert "certificate" in str(other_name)
        by_authority = {"ca_file": ca_file, "sslmode": "verify-ca"}
        assert await pools.value(by_address, "SELECT 1", **by_authority) == 1
        assert there.encrypted == 3  # the others ended in the handshake


def trusted_by_nobody(beside: str) -> str:
    path = Path(beside).with_name("other.pem")
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


async def test_prefer_takes_tls_where_it_is_offered_and_does_without_where_it_is_not(
    database: Database, authority: trustme.CA
) -> None:
    upstream = ("127.0.0.1", database.server.port)
    async with opened() as pools:
        async with front(upstream, tls=server_tls(authority, "localhost")) as there:
            assert await pools.value(through(database, there.port), "SELECT 1") == 1
            assert there.encrypted == 1
            off = through(database, there.port, sslmode="disable")
            assert await pools.value(off, "SELECT 1") == 1
            assert there.encrypted == 1
        async with front(upstream, answer=b"N") as there:
            assert await pools.value(through(database, there.port), "SELECT 1") == 1


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        (b"N", ExtractError, "speaks no TLS"),
        (b"H", ExtractError, "is no PostgreSQL"),
        (b"E", Transient, ""),
        (b"", Transient, ""),
    ],
)
async def test_nothing_is_sent_in_clear_where_tls_is_asked_for(
    database: Database, sslmode: str, answer: bytes, kind: type[Exception], why: str
) -> None:
    async with front(("127.0.0.1", database.server.port), answer=answer) as there:
        told = await refused(through(database, there.port, sslmode=sslmode))
    assert type(told) is kind
    assert why in str(told)


async def test_a_client_certificate_is_shown(
    database: Database, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    mine = authority.issue_cert("me@example.com")
    cert, key = str(tmp_path / "me.pem"), str(tmp_path / "me.key")
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    tls = server_tls(authority, "localhost", asks=True)
    async with opened() as pools, front(("127.0.0.1", database.server.port), tls=tls) as there:
        dsn = through(database, there.port)
        keys = {"ca_file": ca_file, "client_cert": cert, "client_key": key}
        assert await pools.value(dsn, "SELECT 1", **keys) == 1
        told = await refused(dsn, ca_file=ca_file)
        assert isinstance(told, ExtractError | Transient)
        broken = await refused(dsn, ca_file=ca_file, client_cert=ca_file)
        assert isinstance(broken, ConfigError)
        assert "client_cert" in str(broken)
        nothing = await refused(dsn, ca_file=key)
        assert isinstance(nothing, ConfigError)
        assert "ca_file" in str(nothing)
