"""The transport by itself: one request a call, and every error of aiohttp in httpx's words."""

from __future__ import annotations

import asyncio
import errno
import gc
import gzip
import json
import secrets
import ssl
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pyarrow as pa
import pytest
import trustme
import yarl
from aiohttp.client_reqrep import ConnectionKey

from bronze_engine.errors import ConfigError, ExtractError, RetryError
from bronze_engine.sources.http.wire.faults import (
    CertificateRefused,
    Malformed,
    ProxyRefused,
    is_passing,
    translate,
)
from bronze_engine.sources.http.wire.transport import Transport
from tests.integration.http_server import ONCE, Seen, answer, opened, serve

pytestmark = pytest.mark.integration

KEY = ConnectionKey("secret.example", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(
    yarl.URL("http://h/?key=canary"),
    "GET",
    {},  # type: ignore[arg-type]  # not looked at
    yarl.URL("http://h/?key=canary"),
)

TABLE: list[tuple[BaseException, type[httpx.TransportError], bool]] = [
    (aiohttp.ConnectionTimeoutError("canary"), httpx.ConnectTimeout, True),
    (aiohttp.SocketTimeoutError("canary"), httpx.ReadTimeout, True),
    (aiohttp.ServerTimeoutError("canary"), httpx.ReadTimeout, True),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(1, "no name")), httpx.ConnectError, True),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), httpx.ConnectError, True),
    (
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")),
        CertificateRefused,
        False,
    ),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "alert")), httpx.ConnectError, True),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "x")), httpx.ProxyError, True),
    (aiohttp.ClientHttpProxyError(INFO, (), status=502), httpx.ProxyError, True),
    (aiohttp.ClientHttpProxyError(INFO, (), status=407), ProxyRefused, False),
    (aiohttp.ServerDisconnectedError("canary"), httpx.RemoteProtocolError, True),
    (aiohttp.ClientPayloadError("canary"), httpx.RemoteProtocolError, True),
    (aiohttp.ClientResponseError(INFO, (), status=400), Malformed, False),
    (aiohttp.ClientOSError(104, "canary"), httpx.ReadError, True),
    (aiohttp.ClientConnectionResetError("canary"), httpx.ReadError, True),
    (aiohttp.ClientConnectionError("canary"), httpx.ReadError, True),
    (ConnectionResetError("canary"), httpx.ReadError, True),
    (aiohttp.InvalidURL("http://h/?key=canary"), httpx.UnsupportedProtocol, False),
    (aiohttp.InvalidUrlClientError("http://?key=canary"), httpx.UnsupportedProtocol, False),
    (aiohttp.NonHttpUrlClientError("ftp://h/?key=canary"), httpx.UnsupportedProtocol, False),
    (aiohttp.ClientError("canary"), httpx.UnsupportedProtocol, False),
]


@pytest.mark.parametrize(("foreign", "ours", "passing"), TABLE)
def test_the_table_of_errors(
    foreign: BaseException, ours: type[httpx.TransportError], passing: bool
) -> None:
    error = translate(foreign)
    assert type(error) is ours
    assert is_passing(error) is passing
    assert "canary" not in str(error)


def test_a_refused_connection_is_told_in_the_systems_words() -> None:
    asyncios = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    error = translate(aiohttp.ClientConnectorError(KEY, asyncios))
    assert str(error) == "no connection: Connection refused"


@pytest.mark.asyncio
async def test_a_connection_that_ends_before_tls_is_not_called_refused(
    authority: trustme.CA, ca_file: str
) -> None:
    context = server_tls(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    api = {"ca_file": ca_file, "retry": ONCE}
    async with serve(one_row, context) as server, opened(server, api=api) as one:
        with pytest.raises(RetryError, match=r"before TLS was agreed on.* client_cert\?"):
            await one.read()


def test_the_table_leaves_no_error_of_aiohttp_out() -> None:
    """Every leaf that a request without web sockets can raise is walked above."""
    walked = {type(foreign) for foreign, *_ in TABLE}
    left_out = {
        aiohttp.ContentTypeError,  # raised by json(), which is not called
        aiohttp.WSServerHandshakeError,
        aiohttp.TooManyRedirects,  # redirects are off
        aiohttp.ServerFingerprintMismatch,
    }

    def leaves(kind: type[BaseException]) -> Iterator[type[BaseException]]:
        yield kind
        for below in kind.__subclasses__():
            if below.__module__.startswith("aiohttp.client"):
                yield from leaves(below)

    for kind in leaves(aiohttp.ClientError):
        names = {parent.__name__ for parent in kind.__mro__}
        unused = {"RedirectClientError", "UploadAbortedError", "UnixClientConnectorError"}
        if kind in left_out or names & unused:
            continue
        assert kind in walked or any(kind in other.__mro__ for other in walked), kind


def get(url: str, **headers: str) -> httpx.Request:
    return httpx.Request(
        "GET", url, headers=headers, extensions={"timeout": {"connect": 5.0, "read": 5.0}}
    )


@pytest.mark.asyncio
async def test_it_serves_an_ordinary_httpx_client() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer({"sent": seen.body.decode()}, compress=True)

    async with (
        serve(handle) as server,
        httpx.AsyncClient(transport=Transport(), trust_env=False) as client,
    ):
        response = await client.post(f"{server.url}/x?a=b%2Fc", content=b"hello")
        assert response.json() == {"sent": "hello"}
        assert response.http_version == "HTTP/1.1"
        assert response.reason_phrase == "X"
        assert server.seen[0].target == "/x?a=b%2Fc"
        assert server.seen[0].headers["host"] == server.url[7:]


@pytest.mark.asyncio
async def test_only_the_headers_that_were_given_are_sent() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with serve(handle) as server, Transport() as transport:
        request = httpx.Request("GET", server.url, headers=[(b"X-One", "ü".encode())])
        response = await transport.handle_async_request(request)
        await response.aread()
        assert set(server.seen[0].headers) == {"host", "x-one"}
        assert "ü".encode() in server.seen[0].raw


@pytest.mark.asyncio
async def test_urls_go_out_byte_for_byte() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    target = "/a%2Fb/%7Ex?sig=%2b%2B+%20&e=&t=2025-01-01T00:00:00Z"
    async with serve(handle) as server, Transport() as transport:
        response = await transport.handle_async_request(get(server.url + target))
        await response.aread()
        assert server.seen[0].target == target


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_request_is_never_sent_twice(method: str) -> None:
    """aiohttp would send it again by itself: this is what its private switch is for."""

    async def handle(*_: object) -> bytes | None:
        return answer([]) if len(server.seen) == 1 else None

    async with serve(handle) as server, Transport() as transport:
        response = await transport.handle_async_request(httpx.Request(method, server.url))
        await response.aread()
        await response.aclose()
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await transport.handle_async_request(httpx.Request(method, server.url))
        assert len(server.seen) == 2
        assert server.connections == 1


@pytest.mark.asyncio
async def test_cookies_and_redirects_are_left_alone() -> None:
    async def handle(*_: object) -> bytes:
        headers = {"Set-Cookie": "a=b", "Location": "/elsewhere"}
        return answer(body=b"", status=302, headers=headers)

    async with serve(handle) as server, Transport() as transport:
        for _ in range(2):
            response = await transport.handle_async_request(get(server.url))
            assert response.status_code == 302
            await response.aclose()
        assert "cookie" not in server.seen[1].headers
        assert len(server.seen) == 2


@pytest.mark.asyncio
async def test_headers_up_to_64_kib_are_read() -> None:
    async def handle(*_: object) -> bytes:
        return answer([], headers={"X-Large": "x" * 60_000})

    async with serve(handle) as server, Transport() as transport:
        response = await transport.handle_async_request(get(server.url))
        assert len(response.headers["x-large"]) == 60_000
        await response.aclose()


@pytest.mark.asyncio
async def test_a_closed_body_frees_its_connection() -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[")
        await writer.drain()
        await asyncio.Event().wait()

    async with serve(handle) as server, Transport() as transport:
        for _ in range(2):
            response = await transport.handle_async_request(get(server.url))
            await response.aclose()
        assert server.connections == 2  # half read: never used again


@pytest.mark.asyncio
async def test_an_answer_is_freed_without_the_cycle_collector() -> None:
    async def handle(*_: object) -> bytes:
        return answer([1] * 1000)

    async with serve(handle) as server, Transport() as transport:
        gc.collect()
        gc.disable()
        try:
            response = await transport.handle_async_request(get(server.url))
            chunks = [chunk async for chunk in response.stream]  # type: ignore[union-attr]
            await response.aclose()
            assert chunks
            held = weakref.ref(response)
            stream = weakref.ref(response.stream)
            del response
            assert held() is None
            assert stream() is None
        finally:
            gc.enable()


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["http://[", "ftp://h/", "http://h\\@evil"])
async def test_what_is_no_url(url: str) -> None:
    async with Transport() as transport:
        with pytest.raises((httpx.UnsupportedProtocol, httpx.ConnectError)):
            await transport.handle_async_request(get(url))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_tls(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


async def one_row(*_: object) -> bytes:
    return answer([{"id": 1}])


@pytest.mark.asyncio
async def test_an_unknown_authority_is_refused_at_once(authority: trustme.CA) -> None:
    async with serve(one_row, server_tls(authority)) as server, opened(server) as one:
        with pytest.raises(ExtractError, match="certificate refused") as caught:
            await one.read()
        assert "ca_file" in str(caught.value)
        assert server.seen == []
        assert one.tally.requests == 1


@pytest.mark.asyncio
async def test_an_authority_of_ones_own_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    async with (
        serve(one_row, server_tls(authority)) as server,
        opened(server, api={"ca_file": ca_file}) as one,
    ):
        assert await one.read() == [{"id": 1}]


@pytest.mark.asyncio
async def test_a_certificate_for_another_host_is_refused(
    authority: trustme.CA, ca_file: str
) -> None:
    async with (
        serve(one_row, server_tls(authority, "other.example")) as server,
        opened(server, api={"ca_file": ca_file}) as one,
    ):
        with pytest.raises(ExtractError, match="certificate refused"):
            await one.read()


@pytest.mark.asyncio
@pytest.mark.parametrize("is_shown", [False, True])
async def test_the_client_certificate_is_shown_at_home_only(
    authority: trustme.CA, ca_file: str, tmp_path: Path, is_shown: bool
) -> None:
    client = authority.issue_cert("client.example")
    pem = tmp_path / "client.pem"
    client.private_key_and_cert_chain_pem.write_to_path(str(pem))
    shown: list[Any] = []
    context = server_tls(authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)

    async def there(_: Seen, writer: asyncio.StreamWriter) -> bytes:
        shown.append(writer.get_extra_info("peercert"))
        return answer([{"id": 1}])

    async with serve(there, context) as other:

        async def here(_: Seen, writer: asyncio.StreamWriter) -> bytes:
            shown.append(writer.get_extra_info("peercert"))
            return answer(body=b"", status=302, headers={"Location": other.url})

        api = {"ca_file": ca_file, "client_cert": str(pem) if is_shown else None}
        async with serve(here, context) as server, opened(server, api=api) as one:
            assert await one.read() == [{"id": 1}]
    assert bool(shown[0]) is is_shown
    assert not shown[1]


@pytest.mark.asyncio
async def test_a_proxy_sees_the_whole_url_and_its_own_credentials() -> None:
    async with (
        serve(one_row) as proxy,
        opened(
            "http://api.example.invalid",
            api={"proxy": f"http://user:pw@{proxy.url[7:]}"},
        ) as one,
    ):
        assert await one.read() == [{"id": 1}]
        assert proxy.seen[0].target == "http://api.example.invalid/x"
        assert proxy.seen[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.asyncio
async def test_the_environments_proxy_is_used_and_its_exceptions_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve(one_row) as proxy, serve(one_row) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with opened(server, api={"proxy": "env"}) as one:
            await one.read()
        async with opened("http://api.example.invalid", api={"proxy": "env"}) as one:
            await one.read()
        assert (len(server.seen), len(proxy.seen)) == (1, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "error"), [(407, ExtractError), (503, RetryError)])
async def test_a_proxy_that_refuses_a_tunnel(status: int, error: type[Exception]) -> None:
    async def handle(*_: object) -> bytes:
        return answer(body=b"", status=status)

    async with (
        serve(handle) as proxy,
        opened("https://api.example.invalid", api={"proxy": proxy.url, "retry": ONCE}) as one,
    ):
        with pytest.raises(error, match=f"the proxy answered {status}"):
            await one.read()
        assert proxy.seen[0].method == "CONNECT"


@pytest.mark.asyncio
async def test_files_that_can_not_be_read_are_a_config_error_before_anything_is_sent() -> None:
    async with serve(one_row) as server:
        with pytest.raises(ConfigError, match="ca_file can't be loaded"):
            async with opened(server, api={"ca_file": "/absent.pem"}):
                pass
        assert server.connections == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
async def test_a_large_body_is_put_together_as_it_comes(coding: str) -> None:
    """Pieces and the whole would be in memory together, for each page that is in flight."""
    body = json.dumps([{"id": n, "noise": secrets.token_hex(1000)} for n in range(2000)]).encode()
    packed = {"": body, "gzip": gzip.compress(body), "zstd": zstd(body)}[coding]
    headers = {"Content-Encoding": coding} if coding else {}

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=packed, headers=headers)

    async with serve(handle) as server, opened(server) as source:
        client = source.source._resource.client  # type: ignore[attr-defined]
        whole = await client.fetch(
            "GET", server.url, None, limit_bytes=2**23, on_request=lambda: None, on_bytes=ignored
        )
        assert [bytes(chunk) for chunk in whole.chunks] == [packed]
        assert await source.read() == json.loads(body)


def ignored(_: int) -> None: ...


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))
