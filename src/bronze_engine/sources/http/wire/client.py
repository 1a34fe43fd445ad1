"""The client of one API: requests with credentials and redirects, answers with bounded bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal, TypeVar, final

import httpx
import msgspec
import yarl

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api, Timeout
from bronze_engine.contracts import Exchange, Hide, OpenAuth
from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.body.stream import Chunks
from bronze_engine.sources.http.url import origin_of
from bronze_engine.sources.http.wire.proxy import proxy_for
from bronze_engine.sources.http.wire.tls import tls_for
from bronze_engine.sources.http.wire.transport import Reply, Route, Transport
from bronze_engine.telemetry.profile import working
from bronze_engine.telemetry.redact import redact_url
from bronze_engine.workers import Workers

__all__ = ["Answer", "Client", "Refused", "open_client"]

T = TypeVar("T")

_TIMEOUT: Final = Timeout()
_MAX_REDIRECTS: Final = 5
_MOST_RENEWALS: Final = 5
"""Of what has expired while one request waited."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CODINGS: Final = {"identity": "", "x-gzip": "gzip"}
_SMALL_BYTES: Final = 64 * 1024
_SMALL_CHUNKS: Final = 8
_PACKED: Final = (b"\x1f", b"\x28")
"""How a compressed file begins, whatever the headers say."""
_PIECEMEAL_BYTES: Final = 1024**2
"""A larger body is put together as it comes: it is then never held twice."""
_EXCERPT_BYTES: Final = 64 * 1024
"""How much of an error's body is read: enough for its message."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer, its body as it came over the wire."""

    status: int
    headers: dict[str, str]
    """By lower-case name; what came several times is joined with commas."""
    url: str
    """Where it came from, after redirects; may hold credentials, so it is never shown."""
    chunks: Chunks
    version: int = 0
    """Of the credentials that the request was sent with."""

    @property
    def encoding(self) -> str:
        """The content coding: "" for none."""
        coding: str = self.headers.get("content-encoding", "").strip().lower()
        return _CODINGS.get(coding, coding)

    @property
    def is_small(self) -> bool:
        """Whether the body is so small, and not compressed in any way, that cutting it takes
        some 30 us: half of what a worker's job costs beside its work (measured)."""
        return (
            len(self.chunks) <= _SMALL_CHUNKS
            and sum(map(len, self.chunks)) <= _SMALL_BYTES
            and not self.encoding
            and not (self.chunks and self.chunks[0].startswith(_PACKED))
        )

    @property
    def is_framed(self) -> bool:
        """Whether the header says where the body ends, so that a cut could not pass unseen."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers


@final
class Refused(Exception):
    """A 401 to credentials of a version, and the error that it is where there are no others.

    Only `Client.admitted` sees it.
    """

    def __init__(self, version: int, error: AuthError) -> None:
        super().__init__(version)
        self.version = version
        self.error = error


@final
class Client:
    """Requests to one API. Shared by every run of the engine that reads from it.

    It uses the transport without an httpx.AsyncClient around it: that costs 160 us of CPU
    a request (measured; the request itself 105), logs whole URLs with their keys, and
    carries any header but Authorization to other origins when it follows redirects. A GET
    that needs no more than headers goes without httpx's objects too, which cost 80 us.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        timeout: Timeout = _TIMEOUT,
    ) -> None:
        self._transport = transport
        self._home: Route | None = None
        self.credentials = credentials
        self.timeout = timeout

    async def admitted(
        self, operation: Callable[[], Awaitable[T]], exchange: Exchange, workers: Workers
    ) -> T:
        """Run an operation with credentials, and once more with others where it is Refused.

        Both happen outside of the operation's own limits: a request for a token waits for a
        slot and a token of the bucket as every request does. Others that were found, not made
        for us, may have been replaced meanwhile, and those that a pause or a rate has made wait
        may have expired: only such are renewed again. Raises AuthError where there are no
        others, or where they are refused too.
        """
        credentials, renewals = self.credentials, 0
        if credentials.is_due:
            await credentials.ready(exchange, workers)
        while True:
            try:
                return await operation()
            except Refused as exc:
                refused = exc
            has_aged = renewals < _MOST_RENEWALS and credentials.has_aged(refused.version)
            may_renew = not renewals or credentials.is_shared or has_aged
            if not may_renew or not await credentials.renew(refused.version, exchange, workers):
                raise refused.error
            renewals += 1

    def is_home(self, answer: Answer) -> bool:
        """Whether the credentials went along with what was answered."""
        return origin_of(httpx.URL(answer.url)) == self.credentials.origin

    def abroad(self, answer: Answer) -> str:
        """Why an answer of another origin has seen no credentials, and what to do."""
        return (
            f"this is the answer of {origin_of(httpx.URL(answer.url))}, and credentials go to "
            f"{self.credentials.origin} alone: set base_url to where the API is now"
        )

    async def fetch(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        limit_bytes: int,
        on_request: Callable[[], None],
        on_bytes: Callable[[int], None],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, follow its redirects (at most 5), read the whole body.

        `headers` go to the API's own origin alone. `on_request` is called before each thing
        sent, `on_bytes` with what was received.
        Raises httpx.TransportError, and ExtractError for a body above `limit_bytes` (as it
        comes over the wire), a redirect that can't be followed, or one that would ask for
        something else (a POST by 301 or 302). Cancelled, it closes the
        connection.
        """
        target = url
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._once(
                method,
                target,
                body,
                headers,
                limit_bytes=limit_bytes,
                on_request=on_request,
                on_bytes=on_bytes,
            )
            location = answer.headers.get("location") if answer.status in _REDIRECTS else None
            if location is None:
                return answer
            here = _parse(target)
            onward = _redirected(here, location)
            if method != "GET":
                if answer.status in (307, 308) and origin_of(onward) != origin_of(here):
                    raise ExtractError(
                        f"{redact_url(url)} redirects a {method} to another origin, "
                        f"{origin_of(onward)}; set base_url to where the API is now"
                    )
                if answer.status in (301, 302):
                    raise ExtractError(
                        f"{redact_url(url)} redirects a {method} ({answer.status}) to "
                        f"{redact_url(str(onward))}, where it would become a GET without its "
                        "body; set base_url and path to where the API is now"
                    )
                if answer.status == 303:
                    method, body = "GET", None
            target = str(onward)
        raise ExtractError(
            f"{redact_url(url)} redirects more than {_MAX_REDIRECTS} times, "
            f"at last to {redact_url(target)}; check base_url and path"
        )

    async def _once(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        *,
        limit_bytes: int,
        on_request: Callable[[], None],
        on_bytes: Callable[[int], None],
    ) -> Answer:
        plain = None
        if method == "GET" and body is None and not headers:
            plain = self.credentials.plain(url)
        if plain is None:
            return await self.send(
                self.credentials.request(method, _parse(url), body, headers),
                limit_bytes=limit_bytes,
                on_request=on_request,
                on_bytes=on_bytes,
            )
        if self._home is None:
            self._home = self._transport.route(httpx.URL(self.credentials.base_url))
        version = self.credentials.version
        on_request()
        reply = await self._transport.send(
            "GET",
            yarl.URL(url, encoded=True),
            plain,
            b"",
            route=self._home,
            connect_seconds=self.timeout.connect,
            read_seconds=self.timeout.read,
        )
        return await _received(reply, url, version, limit_bytes, on_bytes)

    @asynccontextmanager
    async def opened(
        self,
        method: Literal["GET", "HEAD"],
        url: str,
        *,
        headers: Mapping[str, str],
        on_request: Callable[[], None],
    ) -> AsyncIterator[tuple[Answer, Reply]]:
        """Send one request, follow its redirects (at most 5); the body is still on the wire.

        Of an error the answer holds the beginning of the body, else none of it. Raises as
        `fetch`; what is raised later, while the reply is read, is httpx.TransportError. The
        connection is given back, or closed, on leaving.
        """
        target = url
        for _ in range(_MAX_REDIRECTS + 1):
            request = self.credentials.request(method, _parse(target), None, headers)
            version = self.credentials.version
            on_request()
            reply = await self._transport.ask(request)
            try:
                found = _headers(reply)
                location = found.get("location") if reply.status in _REDIRECTS else None
                if location is not None:
                    target = str(_redirected(_parse(target), location))
                    continue
                chunks: Chunks = ()
                if reply.status >= 400 and method == "GET":
                    chunks = await _read(reply, target, _EXCERPT_BYTES, lambda _: None)
                answer = Answer(
                    status=reply.status, headers=found, url=target, chunks=chunks, version=version
                )
                yield answer, reply
                return
            finally:
                await reply.aclose()
        raise ExtractError(
            f"{redact_url(url)} redirects more than {_MAX_REDIRECTS} times, "
            f"at last to {redact_url(target)}; check the URL"
        )

    async def send(
        self,
        request: httpx.Request,
        *,
        limit_bytes: int,
        on_request: Callable[[], None],
        on_bytes: Callable[[int], None],
    ) -> Answer:
        """Send one request and read its answer; of one that leads elsewhere no body is read."""
        version = self.credentials.version
        on_request()
        reply = await self._transport.ask(request)
        return await _received(reply, str(request.url), version, limit_bytes, on_bytes)


@asynccontextmanager
async def open_client(
    api: Api, open_auth: OpenAuth, clock: Clock, hide: Hide
) -> AsyncIterator[Client]:
    """The client of an API, with its connections; they are closed on leaving.

    Raises ConfigError for a base URL, header, proxy or certificate file that is none, and for
    an auth that can't be.
    """
    credentials = Credentials(api, await open_auth(api), clock=clock, hide=hide)
    proxy, tls = proxy_for(api.proxy, api.name), tls_for(api, credentials.origin)
    async with Transport(proxy=proxy, tls=tls) as transport:
        yield Client(transport, credentials, api.timeout)


async def _received(
    reply: Reply, url: str, version: int, limit_bytes: int, on_bytes: Callable[[int], None]
) -> Answer:
    headers = _headers(reply)
    chunks: Chunks = ()
    try:
        if reply.status not in _REDIRECTS or "location" not in headers:
            with working("receive"):
                chunks = await _read(reply, url, limit_bytes, on_bytes)
    finally:
        await reply.aclose()
    return Answer(status=reply.status, headers=headers, url=url, chunks=chunks, version=version)


async def _read(
    reply: Reply, url: str, limit_bytes: int, on_bytes: Callable[[int], None]
) -> Chunks:
    is_error = reply.status >= 400
    limit = _EXCERPT_BYTES if is_error else limit_bytes
    chunks: list[bytes | bytearray] = []
    whole: bytearray | None = None
    size = 0
    async for chunk in reply:
        size += len(chunk)
        on_bytes(len(chunk))
        if whole is not None:
            whole += chunk
        else:
            chunks.append(chunk)
            if size > _PIECEMEAL_BYTES:
                whole = bytearray().join(chunks)
                chunks = [whole]
        if size > limit:
            if is_error:
                break
            raise ExtractError(
                f"{redact_url(url)} answers with more than {limit_bytes:,} bytes; "
                "ask for smaller pages, raise max_page_bytes, or, of lines without pages, read it "
                'by source.type = "files", which holds none of it whole'
            )
    return chunks


def _headers(reply: Reply) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in reply.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _parse(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        raise ExtractError(
            f"{redact_url(url)} is no URL; check base_url, path and params"
        ) from None


def _redirected(source: httpx.URL, location: str) -> httpx.URL:
    try:
        target = source.join(location).copy_with(fragment=None)
        valid = target.scheme in ("http", "https") and bool(target.host) and not target.userinfo
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ExtractError(
            f"{redact_url(str(source))} redirects to what is no URL that can be followed"
        )
    return target
