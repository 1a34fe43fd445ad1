"""The client of one API: requests with credentials and redirects, answers with bounded bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar, final

import httpx
import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.contracts import Hide, OpenAuth
from bronze_engine.credentials import Exchange
from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.url import origin_of
from bronze_engine.sources.http.wire.proxy import proxy_for
from bronze_engine.sources.http.wire.tls import tls_for
from bronze_engine.sources.http.wire.transport import Transport
from bronze_engine.telemetry.redact import redact_url
from bronze_engine.workers import Workers

__all__ = ["Answer", "Client", "Refused", "open_client"]

T = TypeVar("T")

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CODINGS: Final = {"identity": "", "x-gzip": "gzip"}
_EXCERPT_BYTES: Final = 64 * 1024
"""How much of an error's body is read: enough for its message."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer, its body as it came over the wire."""

    status: int
    headers: dict[str, str]
    """By lower-case name; what came several times is joined with commas."""
    url: str
    """Where it came from, after redirects; may hold credentials, so it is never shown."""
    chunks: list[bytes]
    version: int = 0
    """Of the credentials that the request was sent with."""

    @property
    def encoding(self) -> str:
        """The content coding: "" for none."""
        coding: str = self.headers.get("content-encoding", "").strip().lower()
        return _CODINGS.get(coding, coding)

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
    a request (measured; the transport itself 210), logs whole URLs with their keys, and
    carries any header but Authorization to other origins when it follows redirects.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        credentials: Credentials,
        *,
        total_seconds: float = 600.0,
    ) -> None:
        self._transport = transport
        self.credentials = credentials
        self.total_seconds = total_seconds
        """The longest that one attempt may take."""

    async def admitted(
        self, operation: Callable[[], Awaitable[T]], exchange: Exchange, workers: Workers
    ) -> T:
        """Run an operation with credentials, and once more with others where it is Refused.

        Both happen outside of the operation's own limits: a request for a token waits for a
        slot and a token of the bucket as every request does. Raises AuthError where the second
        is refused too, or where there are no others.
        """
        if self.credentials.is_due:
            await self.credentials.ready(exchange, workers)
        try:
            return await operation()
        except Refused as exc:
            refused = exc
        if not await self.credentials.renew(refused.version, exchange, workers):
            raise refused.error
        try:
            return await operation()
        except Refused as exc:
            raise exc.error from None

    def is_home(self, answer: Answer) -> bool:
        """Whether the credentials went along with what was answered."""
        return origin_of(httpx.URL(answer.url)) == self.credentials.origin

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
        comes over the wire) or a redirect that can't be followed. Cancelled, it closes the
        connection.
        """
        target = _parse(url)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self.send(
                self.credentials.request(method, target, body, headers),
                limit_bytes=limit_bytes,
                on_request=on_request,
                on_bytes=on_bytes,
            )
            location = answer.headers.get("location") if answer.status in _REDIRECTS else None
            if location is None:
                return answer
            onward = _redirected(target, location)
            if method != "GET":
                if answer.status in (307, 308) and origin_of(onward) != origin_of(target):
                    raise ExtractError(
                        f"{redact_url(url)} redirects a {method} to another origin, "
                        f"{origin_of(onward)}; set base_url to where the API is now"
                    )
                if answer.status not in (307, 308):
                    method, body = "GET", None
            target = onward
        raise ExtractError(
            f"{redact_url(url)} redirects more than {_MAX_REDIRECTS} times, "
            f"at last to {redact_url(str(target))}; check base_url and path"
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
        response = await self._transport.handle_async_request(request)
        try:
            headers = _headers(response)
            chunks: list[bytes] = []
            if response.status_code not in _REDIRECTS or "location" not in headers:
                chunks = await _read(response, str(request.url), limit_bytes, on_bytes)
        finally:
            await response.aclose()
        return Answer(
            status=response.status_code,
            headers=headers,
            url=str(request.url),
            chunks=chunks,
            version=version,
        )


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
        yield Client(transport, credentials, total_seconds=float(api.timeout.total))


async def _read(
    response: httpx.Response, url: str, limit_bytes: int, on_bytes: Callable[[int], None]
) -> list[bytes]:
    is_error = response.status_code >= 400
    limit = _EXCERPT_BYTES if is_error else limit_bytes
    chunks: list[bytes] = []
    size = 0
    # The transport's own stream, not aiter_raw: that one keeps the response in its frames.
    async for chunk in response.stream:  # type: ignore[union-attr]  # ours is asynchronous
        size += len(chunk)
        on_bytes(len(chunk))
        chunks.append(chunk)
        if size > limit:
            if is_error:
                break
            raise ExtractError(
                f"{redact_url(url)} answers with more than {limit_bytes:,} bytes; "
                "ask for smaller pages, or raise max_page_bytes"
            )
    return chunks


def _headers(response: httpx.Response) -> dict[str, str]:
    # One pass: each look-up in httpx.Headers goes through all of them.
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
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
