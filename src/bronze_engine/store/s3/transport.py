"""aiobotocore's HTTP session over one aiohttp session, by our rules.

aiobotocore's own lets aiohttp send a PUT again by itself when a kept-alive connection
drops (a conditional put would then lose against itself), follows redirects, takes a
connection that broke while sending for one that was never made, and loads the system's
authorities for plain HTTP too.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Sequence
from typing import Any, Final, final

import aiohttp
import anyio.lowlevel
import yarl
from aiobotocore.awsrequest import AioAWSResponse
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import mask_proxy_url
from multidict import CIMultiDict

from bronze_engine.network.proxy import ProxyChoice
from bronze_engine.network.session import open_session
from bronze_engine.store.s3.body import PartBody
from bronze_engine.telemetry.answers import answered

__all__ = ["Transport"]

_WRITE_BYTES: Final = 1024 * 1024
"""Given to the socket at once. What it does not take is copied: whole parts cost twice the
CPU (0.55 s a GiB in place of 0.3 s, measured)."""
_CUT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""Ends of TLS without a verdict on anybody's certificate or protocol."""


@final
class Transport:
    """For `AioConfig(http_session_cls=...)`, with `proxy` and `tls` bound beforehand.

    Never sends a request twice, keeps no cookie, reads no environment. Raises botocore's
    errors: EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError and SSLError
    while connecting mean that nothing was sent. `timeout` has seconds to connect (name,
    TCP, TLS) and of silence. Its other arguments are aiobotocore's idea of `proxy` and `tls`.
    """

    def __init__(
        self,
        *,
        proxy: ProxyChoice,
        tls: ssl.SSLContext | bool,
        timeout: tuple[float, float],
        **_unused: object,
    ) -> None:
        self._proxy = proxy
        self._tls = tls
        connect_seconds, self._silence_seconds = timeout
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_seconds, sock_read=self._silence_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Transport:
        self._session = open_session(timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: Any) -> AioAWSResponse:
        """Send a prepared request; read the answer whole unless its operation streams it.

        Cancelled, it closes the connection.
        """
        if self._session is None:
            raise RuntimeError("the client is closed")
        url = yarl.URL(request.url, encoded=True)
        proxy = self._proxy(url.scheme, url.raw_authority)
        body = _body(request.body, self._silence_seconds)
        try:
            answer = await self._session.request(
                request.method,
                url,
                headers=_headers(request.headers),
                data=body,
                allow_redirects=False,
                proxy=proxy,
                ssl=self._tls,
            )
            if not request.stream_output:
                await answer.read()
        except (aiohttp.ClientError, OSError) as exc:
            is_stalled = body is not None and body.is_stalled
            error = _translated(TimeoutError() if is_stalled else exc, request, proxy)
        else:
            headers = {
                name.decode("latin-1").lower(): value.decode("utf-8", "surrogateescape")
                for name, value in answer.raw_headers
            }
            answered(answer.status)
            return AioAWSResponse(str(answer.url), answer.status, headers, answer)
        raise error  # outside of the handler: aiohttp's texts hold a proxy's password


def _headers(headers: Any) -> CIMultiDict[str]:
    sent = CIMultiDict(
        (name, value.decode("utf-8") if isinstance(value, bytes) else value)
        for name, value in headers.items()
    )
    sent["Accept-Encoding"] = "identity"
    # A round trip before each body, for which aiohttp waits without a limit.
    sent.pop("Expect", None)
    return sent


def _body(body: Any, silence_seconds: float) -> _Body | None:
    if isinstance(body, PartBody):
        return _Body(body.pieces, silence_seconds) if body else None
    if isinstance(body, io.BytesIO):  # what botocore makes of bytes; neither way copies them
        body = body.getvalue()
    elif isinstance(body, str):  # a form of STS
        body = body.encode()
    return _Body((body,), silence_seconds) if body else None


def _translated(exc: Exception, request: Any, proxy: str | None) -> HTTPClientError:
    url = request.url
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeoutError(endpoint_url=url, error=exc)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return ReadTimeoutError(endpoint_url=url, error=exc)
        case aiohttp.ClientSSLError() if not isinstance(_below(exc), _CUT):
            return SSLError(endpoint_url=url, error=exc)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return ProxyConnectionError(proxy_url=mask_proxy_url(proxy), error=exc)
        case aiohttp.ClientConnectorError():
            return EndpointConnectionError(endpoint_url=url, error=exc)
        case aiohttp.ClientOSError() if isinstance(_below(exc), ssl.SSLError) and not isinstance(
            _below(exc), _CUT
        ):  # TLS 1.3: a server refuses our certificate only after the handshake
            return SSLError(endpoint_url=url, error=exc)
        case (
            aiohttp.ClientConnectionError()
            | aiohttp.ClientPayloadError()
            | aiohttp.ClientResponseError()
            | OSError()
        ):
            return ConnectionClosedError(endpoint_url=url, request=request, error=exc)
        case _:
            return HTTPClientError(request=request, error=exc)


def _below(exc: Exception) -> BaseException | None:
    """The operating system's or OpenSSL's error under one of aiohttp's."""
    return getattr(exc, "os_error", None) or exc.__cause__


@final
class _Body(Payload):
    """Bytes that leave piece by piece, given up when nothing has left for too long.

    aiohttp's read timeout begins when all is sent: it can't see a server that stops reading.
    """

    def __init__(
        self, pieces: Sequence[bytes | bytearray | memoryview], silence_seconds: float
    ) -> None:
        super().__init__(pieces)
        self._views = [memoryview(piece).cast("B") for piece in pieces]
        self._size = sum(view.nbytes for view in self._views)
        self._silence_seconds = silence_seconds
        self._sent_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self.is_stalled = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._views).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._look(writer, seen_bytes=-1)
        try:
            for view in self._views:
                for start in range(0, view.nbytes, _WRITE_BYTES):
                    piece = view[start : start + _WRITE_BYTES]
                    await writer.write(piece)
                    self._sent_bytes += piece.nbytes
                    # A fast socket takes a whole part without a pause: 3 ms for the others.
                    await anyio.lowlevel.checkpoint()
        finally:
            if self._watch is not None:
                self._watch.cancel()

    def _look(self, writer: AbstractStreamWriter, seen_bytes: int) -> None:
        """Break the connection if nothing has left since the last look."""
        if self._sent_bytes == seen_bytes:
            self.is_stalled = True
            transport: asyncio.WriteTransport | None = getattr(writer, "transport", None)
            if transport is not None:
                transport.abort()
            return
        self._watch = asyncio.get_running_loop().call_later(
            self._silence_seconds, self._look, writer, self._sent_bytes
        )
