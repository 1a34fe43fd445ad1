"""The transport by itself: one request a call, and every error of aiohttp in botocore's words."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import yarl
from aiohttp.client_reqrep import ConnectionKey
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.store.s3.transport import Transport
from bronze_engine.telemetry.answers import Answers
from tests.integration.http_server import Seen, answer, serve

pytestmark = pytest.mark.integration

KEY = ConnectionKey("s3.example", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(
    yarl.URL("http://h/"),
    "GET",
    {},  # type: ignore[arg-type]  # not looked at
    yarl.URL("http://h/"),
)


def below(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


TABLE: list[tuple[Exception, type[Exception]]] = [
    (aiohttp.ConnectionTimeoutError("x"), ConnectTimeoutError),
    (aiohttp.SocketTimeoutError("x"), ReadTimeoutError),
    (aiohttp.ServerTimeoutError("x"), ReadTimeoutError),
    (TimeoutError(), ReadTimeoutError),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(1, "no name")), EndpointConnectionError),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), EndpointConnectionError),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")), SSLError),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "alert")), SSLError),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLEOFError(8, "cut")), EndpointConnectionError),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "x")), ProxyConnectionError),
    (aiohttp.ClientHttpProxyError(INFO, (), status=407), ProxyConnectionError),
    (aiohttp.ServerDisconnectedError("x"), ConnectionClosedError),
    (aiohttp.ClientPayloadError("x"), ConnectionClosedError),
    (aiohttp.ClientResponseError(INFO, (), status=400), ConnectionClosedError),
    (aiohttp.ClientOSError(104, "x"), ConnectionClosedError),
    (below(aiohttp.ClientOSError(1, "x"), ssl.SSLError(1, "certificate required")), SSLError),
    (below(aiohttp.ClientOSError(8, "x"), ssl.SSLEOFError(8, "cut")), ConnectionClosedError),
    (aiohttp.ClientConnectionResetError("x"), ConnectionClosedError),
    (ConnectionResetError(104, "x"), ConnectionClosedError),
    (aiohttp.InvalidURL("http://"), HTTPClientError),
]


@asynccontextmanager
async def transport(seconds: float = 10, **fields: Any) -> AsyncIterator[Transport]:
    settings: dict[str, Any] = {"proxy": lambda _scheme, _netloc: None, "tls": True}
    made = Transport(**{**settings, **fields}, timeout=(10, seconds), max_pool_connections=1)
    async with made:
        yield made


def request(method: str, url: str, body: Any = None, **headers: str) -> Any:
    prepared = AWSRequest(method, url, headers=headers, data=body).prepare()
    prepared.body = body  # botocore hands on what was given
    return prepared


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("foreign", "ours"), TABLE, ids=[f"{type(exc).__name__}-{kind.__name__}" for exc, kind in TABLE]
)
async def test_every_error_has_its_own_in_botocore(
    foreign: Exception, ours: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise foreign

    monkeypatch.setattr(aiohttp.ClientSession, "request", fail)
    async with transport(proxy=lambda _scheme, _netloc: "http://me:canary@proxy:1") as ours_sends:
        with pytest.raises(ours) as raised:
            await ours_sends.send(request("GET", "http://h/a"))
    assert type(raised.value) is ours
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert "canary" not in str(raised.value)


@pytest.mark.asyncio
async def test_the_status_is_told_to_whoever_tells_of_the_attempt() -> None:
    async def refuse(_seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer(body=b"", status=412)

    async with serve(refuse) as server, transport() as ours:
        with Answers() as answers:
            await ours.send(request("GET", f"{server.url}/a"))
    assert answers.status == 412


@pytest.mark.asyncio
async def test_a_put_is_not_sent_again_when_a_kept_connection_drops() -> None:
    async def once(seen: Seen, _: asyncio.StreamWriter) -> bytes | None:
        return answer(body=b"") if seen.path == "/first" else None

    async with serve(once) as server, transport() as ours:
        await ours.send(request("PUT", f"{server.url}/first", b"x"))
        with pytest.raises(ConnectionClosedError):
            await ours.send(request("PUT", f"{server.url}/second", b"x"))
        assert [seen.path for seen in server.seen] == ["/first", "/second"]


@pytest.mark.asyncio
async def test_a_redirect_is_an_answer() -> None:
    async def elsewhere(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=b"", status=307, headers={"Location": "/b", "Set-Cookie": "a=b"})

    async with serve(elsewhere) as server, transport() as ours:
        for _ in range(2):
            found = await ours.send(request("GET", f"{server.url}/a"))
            assert (found.status_code, found.headers["location"]) == (307, "/b")
        assert [seen.path for seen in server.seen] == ["/a", "/a"]
        assert "cookie" not in server.seen[1].headers


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
async def test_a_body_arrives_whole_and_waits_for_nobody(kind: Any) -> None:
    body = bytes(range(256)) * 6000  # three pieces

    async def found(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=b"")

    async with serve(found) as server, transport() as ours:
        await ours.send(request("PUT", f"{server.url}/a", kind(body), Expect="100-continue"))
        (seen,) = server.seen
        assert seen.body == body
        assert "expect" not in seen.headers
        assert "content-type" not in seen.headers
        assert seen.headers["accept-encoding"] == "identity"


@pytest.mark.asyncio
async def test_a_server_that_stops_reading_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # the kernel takes what fits
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        async with transport(0.05) as ours:
            with pytest.raises(ReadTimeoutError):
                await ours.send(request("PUT", url, bytes(64 << 20)))


@pytest.mark.asyncio
async def test_a_server_that_reads_slowly_is_not() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(16):  # 0.4 s in all
            await reader.readexactly(1 << 20)
            await SYSTEM_CLOCK.sleep(0.025)
        writer.write(answer(body=b""))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(slowly, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/a"
    async with listening, transport(0.2) as ours:
        found = await ours.send(request("PUT", url, bytes(16 << 20)))
        assert found.status_code == 200


@pytest.mark.asyncio
async def test_after_closing_nothing_is_sent() -> None:
    async with transport() as ours:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await ours.send(request("GET", "http://127.0.0.1:1/"))
    await ours.close()
