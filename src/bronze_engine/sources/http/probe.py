"""Is an API there, do we trust each other, and does it let us in? Asked layer by layer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, final

import httpx

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Hide, OpenAuth
from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.probe import Probed, try_out
from bronze_engine.sources.http.status import excerpt, raise_for_status, shortened
from bronze_engine.sources.http.url import build_url, origin_of
from bronze_engine.sources.http.wire.client import Answer, Client, Refused, open_client
from bronze_engine.sources.http.wire.exchange import TokenExchange
from bronze_engine.sources.http.wire.handshake import Handshake
from bronze_engine.sources.http.wire.proxy import proxy_for
from bronze_engine.sources.http.wire.tls import tls_for
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.telemetry.redact import Redactor, redact_url
from bronze_engine.workers import Workers

__all__ = ["probe_api"]

_LIMIT_BYTES: Final = 64 * 1024**2
"""As large as a page may be by default."""

Layer = tuple[str, Callable[[], Awaitable[str]]]


async def probe_api(
    api: Api,
    workers: Workers,
    clock: Clock,
    open_auth: OpenAuth,
    hide: Hide,
    *,
    path: str | None = None,
) -> tuple[Probed, ...]:
    """Resolve, connect, shake hands, and ask for `base_url`, or for `path` below it, once.

    A 404 of `base_url` itself is fine: few are a resource. Nothing is retried, and no limit
    applies. Never raises for what it finds, but ConfigError for an `api` that is none.
    """
    async with open_client(api, open_auth, clock, hide) as client:
        probe = _Probe(api, client, workers, clock, path)
        results = await probe.connect()
        if all(each.status != "FAIL" for each in results):
            results += await probe.ask()
    return tuple(results)


@final
class _Probe:
    def __init__(
        self, api: Api, client: Client, workers: Workers, clock: Clock, path: str | None
    ) -> None:
        self._api = api
        self._client = client
        self._workers = workers
        self._clock = clock
        self._path = path
        self._url = build_url(api.base_url, path or "", {})
        self._shown = redact_url(self._url)
        self._tokens = TokenExchange(client, None, clock, SourceTally())
        self._scrub = Redactor(lambda: client.credentials.secrets)
        self._answer: Answer

    async def connect(self) -> list[Probed]:
        """The layers below HTTP; a proxy's, where there is one, are not ours to look at."""
        url = httpx.URL(self._url)
        proxy = proxy_for(self._api.proxy, self._api.name)(url)
        if proxy is not None:
            detail = f"the proxy {redact_url(proxy)} connects"
            return [Probed(subject="connection", status="skipped", detail=detail)]
        tls = tls_for(self._api, self._client.credentials.origin)(url)
        seconds = float(self._api.timeout.connect)
        hands = Handshake(url, tls, self._workers, self._clock, timeout_seconds=seconds)
        layers: list[Layer] = [("name", hands.resolve), ("connection", hands.connect)]
        if url.scheme == "https":
            layers.append(("TLS", hands.shake_hands))
        try:
            return await self._try(layers)
        finally:
            await hands.aclose()

    async def ask(self) -> list[Probed]:
        """One request, and what its answer says."""
        results = []
        if self._client.credentials.is_due:
            results = await self._try([("token", self._token)])
        if not results or results[0].status != "FAIL":
            results += await self._try([("request", self._request)])
        if results[-1].status == "FAIL":
            return results
        for layer in (("auth", self._auth), ("redirects", self._redirects), ("clock", self._date)):
            results += await self._try([layer])
        return results

    async def _try(self, layers: list[Layer]) -> list[Probed]:
        """Each needs the one before."""
        results: list[Probed] = []
        for subject, question in layers:
            results.append(await try_out(subject, question, self._clock))
            if results[-1].status == "FAIL":
                break
        return results

    async def _token(self) -> str:
        auth = self._api.auth
        tag = "" if auth is None else tag_of(auth)
        try:
            await self._client.credentials.ready(self._tokens, self._workers)
        except Transient as exc:
            raise ExtractError(f"{tag}: {exc.reason}; check the URL, and try later") from exc
        expires_at = self._client.credentials.expires_at
        if expires_at is None:
            return f"{tag}: found, without a time at which it expires"
        return f"{tag}: found, expires at {expires_at:%Y-%m-%dT%H:%M:%SZ}"

    async def _request(self) -> str:
        began = self._clock.monotonic()
        refused = AuthError("refused with 401")

        async def ask() -> Answer:
            nonlocal began
            began = self._clock.monotonic()
            self._answer = await self._exchange()
            if self._answer.status == 401 and self._client.is_home(self._answer):
                raise Refused(self._answer.version, refused)
            return self._answer

        try:
            await self._client.admitted(ask, self._tokens, self._workers)
        except Transient as exc:
            raise ExtractError(f"no other credential after a 401: {exc.reason}") from exc
        except AuthError as exc:
            if exc is not refused:  # a new token was; of the API's own the next line tells
                raise
        milliseconds = 1000 * (self._clock.monotonic() - began)
        told = f"GET {self._shown}: {self._answer.status} after {milliseconds:.0f} ms"
        try:
            self._judge()
        except AuthError:
            return told  # the next line's business
        except Transient as exc:
            raise ExtractError(f"{told}: {exc.reason}; the server is there, try later") from exc
        except ExtractError as exc:
            if self._path is not None:
                raise ExtractError(f"{told}: {exc.message}") from exc
            return f"{told}; base_url need be no resource, --path asks for one"
        return f"{told}, {sum(map(len, self._answer.chunks)):,} bytes"

    async def _exchange(self) -> Answer:
        total = float(self._api.timeout.total)
        try:
            async with self._clock.timeout(total):
                return await self._client.fetch(
                    "GET",
                    self._url,
                    None,
                    limit_bytes=_LIMIT_BYTES,
                    on_request=lambda: None,
                    on_bytes=lambda _: None,
                )
        except TimeoutError:
            raise ExtractError(f"GET {self._shown}: no whole answer within {total:g} s") from None
        except httpx.TransportError as exc:
            raise ExtractError(f"GET {self._shown}: {exc}; check base_url and proxy") from exc

    def _judge(self) -> None:
        said = shortened(self._scrub(excerpt(self._answer)))
        raise_for_status(self._answer, said=said, api=self._api, now=self._clock.now())

    async def _auth(self) -> str:
        try:
            self._judge()
        except AuthError as exc:
            raise AuthError(f"GET {self._shown}: {exc.message}") from exc
        except ExtractError:
            return f"not refused; a {self._answer.status} proves no more, --path a resource does"
        if self._api.auth is None:
            return "none is configured, and none is asked for"
        return f"{tag_of(self._api.auth)}: let in"

    async def _redirects(self) -> str:
        there = redact_url(self._answer.url).partition("?")[0]
        if there == self._shown.partition("?")[0]:
            return "none"
        if origin_of(httpx.URL(self._answer.url)) == self._client.credentials.origin:
            return f"to {there}"
        return f"to {there}, another origin: credentials are not sent there; is base_url outdated?"

    async def _date(self) -> str:
        text = self._answer.headers.get("date", "")
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return "it sends no Date"
        date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        ahead = (date - self._clock.now()).total_seconds()
        return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine"
