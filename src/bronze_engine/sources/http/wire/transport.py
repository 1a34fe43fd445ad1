"""httpx's transport contract over one aiohttp session.

httpx's own pool costs 1.1 ms of CPU a request and slows down with the number of open
connections; aiohttp's does not. This transport does one thing: send one request, and hand
back the answer with its body still on the wire. It follows no redirect, decodes nothing,
keeps no cookie, reads no environment, and never sends a request twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, final

import aiohttp
import httpx
import yarl
from multidict import CIMultiDict

from bronze_engine.network.session import open_session
from bronze_engine.sources.http.wire.faults import FOREIGN_ERRORS, Malformed, translate
from bronze_engine.telemetry.answers import answered

__all__ = ["Reply", "Route", "Transport"]


def _no_proxy(_: httpx.URL) -> str | None:
    return None


def _default_tls(_: httpx.URL) -> ssl.SSLContext | bool:
    return True


@final
class Transport(httpx.AsyncBaseTransport):
    """One aiohttp session behind httpx's API. Enter it on the loop that uses it.

    `proxy` gives the proxy for a URL, or None. `tls` gives the TLS context for a URL; True
    is aiohttp's default, verified with the system's authorities. Timeouts come with each
    request (`extensions["timeout"]`, as httpx sets it); `connect` covers name look-up, TCP
    and TLS. Raises httpx.TransportError, see `faults`. A cancelled request closes its
    connection.
    """

    def __init__(
        self,
        *,
        proxy: Callable[[httpx.URL], str | None] = _no_proxy,
        tls: Callable[[httpx.URL], ssl.SSLContext | bool] = _default_tls,
    ) -> None:
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[tuple[float | None, float | None], aiohttp.ClientTimeout] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = await self.ask(request)
        return httpx.Response(
            reply.status,
            headers=list(reply.headers),
            stream=reply,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reply.reason},
        )

    async def ask(self, request: httpx.Request) -> Reply:
        """`handle_async_request`, without a response of httpx's around the answer."""
        headers = CIMultiDict(
            (name.decode("ascii"), value.decode("utf-8", "surrogateescape"))
            for name, value in request.headers.raw
        )
        limits = request.extensions.get("timeout", {})
        return await self.send(
            request.method,
            _target(request.url),
            headers,
            await request.aread(),
            route=self.route(request.url),
            connect_seconds=limits.get("connect"),
            read_seconds=limits.get("read"),
        )

    def route(self, url: httpx.URL) -> Route:
        """How requests to this URL's origin travel."""
        return Route(self._proxy(url), self._tls(url))

    async def send(
        self,
        method: str,
        url: yarl.URL,
        headers: CIMultiDict[str],
        body: bytes,
        *,
        route: Route,
        connect_seconds: float | None,
        read_seconds: float | None,
    ) -> Reply:
        """One request, without httpx's objects: they cost as much as everything else here.

        `url` is sent as it is. Raises httpx.TransportError.
        """
        session = self._session or self._open()
        timeout = self._timeout(connect_seconds, read_seconds)
        try:
            answer = await session.request(
                method,
                url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                proxy=route.proxy,
                ssl=route.tls,
                timeout=timeout,
            )
        except FOREIGN_ERRORS as exc:
            error = translate(exc)
        except ValueError:
            error = Malformed("a header that can't be sent")
        else:
            answered(answer.status)
            return Reply(answer, timeout.sock_read)
        raise error  # outside of the handler: no foreign error in its chain

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = open_session()
        return self._session

    def _timeout(self, connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
        key = connect, read
        timeout = self._timeouts.get(key)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=key[0], sock_read=key[1])
            self._timeouts[key] = timeout
        return timeout


class Route(NamedTuple):
    """How requests to one origin travel."""

    proxy: str | None
    tls: ssl.SSLContext | bool


@final
class Reply(httpx.AsyncByteStream):
    """An answer, its body still on the wire; knows nothing of an httpx.Response around it."""

    def __init__(self, answer: aiohttp.ClientResponse, read_seconds: float | None) -> None:
        self.status = answer.status
        self.headers = answer.raw_headers
        self._answer = answer
        self._read_seconds = read_seconds
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reason(self) -> bytes:
        return (self._answer.reason or "").encode("ascii", "replace")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        error: httpx.TransportError | None = None
        if not content.is_eof():
            self._watch()
        try:
            while chunk := await content.readany():
                yield chunk
        except FOREIGN_ERRORS as exc:
            error = translate(exc)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if error is not None:
            raise error

    def _watch(self) -> None:
        """Look after each read timeout whether the connection is still there.

        After a malformed chunk aiohttp 3.14 closes the connection, stops its own read
        timeout, and tells nobody: whoever reads the body would wait for ever.
        """
        connection, content = self._answer.connection, self._answer.content
        if connection is None or self._read_seconds is None:
            return
        if self._timer is not None and connection.transport is None and not content.is_eof():
            content.set_exception(aiohttp.ClientPayloadError())
            return
        self._timer = asyncio.get_running_loop().call_later(self._read_seconds, self._watch)

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _target(url: httpx.URL) -> yarl.URL:
    """The same URL, byte for byte: it may be signed."""
    try:
        target = yarl.URL(str(url), encoded=True)
        same = target.raw_host == url.raw_host.decode("ascii").strip("[]")
    except ValueError:
        same = False
    if not same:  # two parsers that disagree on the host could send a credential astray
        raise httpx.UnsupportedProtocol("not a URL that can be requested")
    return target
