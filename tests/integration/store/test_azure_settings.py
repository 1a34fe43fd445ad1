"""Every field of an Azure store's configuration does what it says."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.units import Duration
from bronze_engine.errors import CircuitOpen, ConfigError, RetryError, StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.testing.stores import read_all, stage_bytes
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import (
    Exchange,
    FaultProxy,
    answer,
    fault_proxy,
    hang,
    meanwhile,
    pass_on,
    stall,
    trickle,
)
from tests.integration.store.azure_opened import config_of, opened
from tests.integration.store.azure_proxied import is_block, proxied

pytestmark = pytest.mark.integration

SHORT = Retry(attempts=2, backoff=Duration(0.01))


class Authority:
    """A certificate authority of the test, with files as the configuration names them."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        client = self.ca.issue_cert("client@example.com")
        self.client_both = str(folder / "both.pem")
        client.private_key_and_cert_chain_pem.write_to_path(self.client_both)
        self.client_cert = str(folder / "cert.pem")
        client.cert_chain_pems[0].write_to_path(self.client_cert)
        self.client_key = str(folder / "key.pem")
        client.private_key_pem.write_to_path(self.client_key)

    def context(self, *, asks_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1").configure_cert(context)
        if asks_client:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def over_tls(
    azurite: Azurite, context: ssl.SSLContext
) -> AsyncIterator[tuple[FaultProxy, str, str]]:
    """The proxy, the endpoint and the URL of a store that is reached over https."""
    container = await azurite.container()
    async with fault_proxy(azurite.origin, tls=context) as proxy:
        yield proxy, azurite.url.replace(azurite.origin, proxy.origin), f"az://{container}/lake"


@pytest.mark.asyncio
async def test_url_places_keys_below_its_prefix(azurite: Azurite) -> None:
    container = await azurite.container()
    async with (
        opened(config_of(azurite.url, f"az://{container}/a/b/")) as inner,
        opened(config_of(azurite.url, f"az://{container}")) as whole,
    ):
        await inner.put("k", b"x", expect=ANY)
        assert [info.key async for info in whole.scan("")] == ["a/b/k"]
        assert inner.url == f"az://{container}/a/b"
        assert whole.url == f"az://{container}"


@pytest.mark.asyncio
@pytest.mark.parametrize("attempts", [1, 4])
async def test_retry_says_how_often(attempts: int, azurite: Azurite) -> None:
    retry = Retry(attempts=attempts, backoff=Duration(0.01))
    async with proxied(azurite, retry=retry) as (proxy, store, _):
        proxy.fail(answer(500), times=99)
        with pytest.raises(RetryError, match=r"GET az://.*/lake/k failed .*: 500"):
            await store.get("k")
        assert len(proxy.seen) == attempts


@pytest.mark.asyncio
async def test_circuit_breaker_stops_asking_a_server_that_is_down(azurite: Azurite) -> None:
    breaker = CircuitBreaker(failures=1, cooldown=Duration(0.05))
    async with proxied(azurite, retry=SHORT, circuit_breaker=breaker) as (proxy, store, _):
        proxy.fail(answer(500), times=99)
        with pytest.raises(RetryError):
            await store.get("k")
        before = len(proxy.seen)
        results = await asyncio.gather(*(store.get("k") for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(result, CircuitOpen) for result in results) >= 9
        assert len(proxy.seen) - before <= 2


@pytest.mark.asyncio
async def test_circuit_breaker_is_closed_by_any_answer(azurite: Azurite) -> None:
    """Also by one that refuses or finds nothing: the service is up."""
    breaker = CircuitBreaker(failures=1, cooldown=Duration(0.05))
    async with proxied(azurite, retry=SHORT, circuit_breaker=breaker) as (proxy, store, _):
        proxy.fail(answer(500), times=2)
        with pytest.raises(RetryError):
            await store.get("k")
        assert await store.get("k") is None
        before = len(proxy.seen)
        slow = meanwhile(lambda: SYSTEM_CLOCK.sleep(0.5))
        proxy.fail(slow, times=3)
        began = SYSTEM_CLOCK.monotonic()
        assert await asyncio.gather(*(store.get("k") for _ in range(3))) == [None] * 3
        assert SYSTEM_CLOCK.monotonic() - began < 1.25  # side by side, not one probe at a time
        assert len(proxy.seen) - before == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_concurrency_bounds_the_requests_in_flight(
    concurrency: int, azurite: Azurite
) -> None:
    flying, most = 0, 0

    async def count(exchange: Exchange) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await pass_on(exchange)
        flying -= 1

    async with proxied(azurite, concurrency=concurrency) as (proxy, store, _):
        proxy.fail(count, times=99)
        await asyncio.gather(*(store.get("k") for _ in range(12)))
    assert most == concurrency


@pytest.mark.asyncio
async def test_connect_timeout_covers_tls() -> None:
    """A server that accepts and says nothing: TLS is never up, so nothing was sent."""
    timeout = Timeout(connect=Duration(0.05), read=Duration(5), total=Duration(5))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}/devstoreaccount1"
        config = config_of(endpoint, "az://lake", timeout=timeout, retry=SHORT)
        async with opened(config) as store:
            with pytest.raises(RetryError, match="no connection within the connect timeout"):
                await store.put("k", b"x", expect=ABSENT)


@pytest.mark.asyncio
async def test_read_timeout_ends_silence(azurite: Azurite) -> None:
    timeout = Timeout(connect=Duration(5), read=Duration(0.1), total=Duration(5))
    async with proxied(azurite, timeout=timeout, retry=SHORT) as (proxy, store, _):
        proxy.fail(hang, times=99)
        with pytest.raises(RetryError, match="silence for longer than the read timeout"):
            await store.get("k")


@pytest.mark.asyncio
async def test_read_timeout_ends_sending_to_a_server_that_does_not_read(azurite: Azurite) -> None:
    timeout = Timeout(connect=Duration(5), read=Duration(0.1), total=Duration(60))
    async with proxied(azurite, timeout=timeout, retry=SHORT) as (proxy, store, _):
        proxy.fail(stall, when=is_block, times=99)
        with pytest.raises(RetryError, match="the server took no more of the request"):
            await stage_bytes(store, "p/f", bytes(40 << 20), part_bytes=40 << 20)


@pytest.mark.asyncio
async def test_total_timeout_ends_a_trickle(azurite: Azurite) -> None:
    timeout = Timeout(connect=Duration(5), read=Duration(5), total=Duration(0.2))
    async with proxied(azurite, timeout=timeout, retry=SHORT) as (proxy, store, _):
        proxy.fail(trickle, times=99)
        with pytest.raises(RetryError, match="no whole answer within 0"):
            await store.get("k")


@pytest.mark.asyncio
async def test_proxy_is_the_one_of_the_url(azurite: Azurite) -> None:
    url = f"az://{await azurite.container()}"
    async with fault_proxy(azurite.origin) as proxy:
        async with opened(config_of(azurite.url, url, proxy=proxy.origin)) as store:
            await store.put("k", b"x", expect=ANY)
        assert [request.target for request in proxy.seen] == [
            f"{azurite.url}/{url.removeprefix('az://')}/k"
        ]


@pytest.mark.asyncio
async def test_proxy_of_the_environment_is_asked_unless_told_not_to(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"az://{await azurite.container()}"
    for name in ("no_proxy", "http_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with fault_proxy(azurite.origin) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        async with opened(config_of(azurite.url, url, proxy="env")) as store:
            await store.get("k")
        assert len(proxy.seen) == 1
        async with opened(config_of(azurite.url, url, proxy="none")) as store:
            await store.get("k")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with opened(config_of(azurite.url, url, proxy="env")) as store:
            await store.get("k")
        assert len(proxy.seen) == 1


@pytest.mark.asyncio
async def test_proxy_that_wants_a_password_is_named_without_the_one_that_was_wrong(
    azurite: Azurite,
) -> None:
    async with fault_proxy(azurite.origin) as proxy:
        proxy.fail(answer(407), times=99)
        address = proxy.origin.replace("http://", "http://me:canary-password@")
        config = config_of("https://127.0.0.1:1/devstoreaccount1", "az://lake", proxy=address)
        async with opened(config) as store:
            with pytest.raises(StoreError, match="the proxy answered 407") as caught:
                await store.get("k")
    assert "canary-password" not in repr(chain_of(caught.value))


def chain_of(error: BaseException | None) -> list[str]:
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return texts


@pytest.mark.asyncio
async def test_ca_file_is_trusted_and_nobody_else(azurite: Azurite, authority: Authority) -> None:
    async with over_tls(azurite, authority.context()) as (_, endpoint, url):
        async with opened(config_of(endpoint, url, ca_file=authority.ca_file)) as store:
            await store.put("k", b"x", expect=ANY)
        async with opened(config_of(endpoint, url)) as store:
            with pytest.raises(StoreError, match=r"certificate of 127\.0\.0\.1 is not trusted"):
                await store.get("k")


@pytest.mark.asyncio
async def test_ca_file_that_is_none_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    config = config_of("https://127.0.0.1:1/x", "az://lake", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="ca_file can't be loaded"):
        async with opened(config):
            pass


@pytest.mark.asyncio
async def test_insecure_verifies_nothing(azurite: Azurite, authority: Authority) -> None:
    async with (
        over_tls(azurite, authority.context()) as (_, endpoint, url),
        opened(config_of(endpoint, url, insecure=True)) as store,
    ):
        await store.put("k", b"x", expect=ANY)


@pytest.mark.asyncio
async def test_client_cert_is_shown_with_its_key_beside_it_or_in_it(
    azurite: Azurite, authority: Authority
) -> None:
    async with over_tls(azurite, authority.context(asks_client=True)) as (_, endpoint, url):
        for fields in (
            {"client_cert": authority.client_both},
            {"client_cert": authority.client_cert, "client_key": authority.client_key},
        ):
            config = config_of(endpoint, url, ca_file=authority.ca_file, **fields)
            async with opened(config) as store:
                await store.put("k", b"x", expect=ANY)
        async with opened(config_of(endpoint, url, ca_file=authority.ca_file)) as store:
            with pytest.raises((StoreError, RetryError), match=r"TLS|broke|closed"):
                await store.get("k")


@pytest.mark.asyncio
async def test_access_tier_is_of_data_files_alone(azurite: Azurite) -> None:
    config = config_of(azurite.url, f"az://{await azurite.container()}", access_tier="Cool")
    async with opened(config) as store:
        await store.put("k", b"x", expect=ANY)
        await store.complete(await stage_bytes(store, "p/f", b"x"))
        tiers = {key: (await store._blobs.head(key)).blob_tier for key in ("k", "p/f")}
    assert tiers == {"k": "Hot", "p/f": "Cool"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("encrypted", "checksum", "expected"),
    [(False, "auto", True), (True, "auto", False), (True, "md5", True), (False, "md5", True)],
)
async def test_part_checksum_decides_whether_blocks_carry_an_md5(
    encrypted: bool, checksum: str, expected: bool, azurite: Azurite, authority: Authority
) -> None:
    url = f"az://{await azurite.container()}"
    context = authority.context() if encrypted else None
    async with fault_proxy(azurite.origin, tls=context) as proxy:
        endpoint = azurite.url.replace(azurite.origin, proxy.origin)
        config = config_of(
            endpoint,
            url,
            ca_file=authority.ca_file if encrypted else None,
            part_checksum=checksum,
        )
        async with opened(config) as store:
            await store.complete(await stage_bytes(store, "p/f", b"content"))
            assert await read_all(store, "p/f") == b"content"
        [block] = [request for request in proxy.seen if is_block(request)]
    assert ("content-md5" in block.headers) is expected
