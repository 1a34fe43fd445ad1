"""Credentials, bound to the origin of their API.

Everything that an API's configuration adds to its requests (auth, headers) is added here,
and only to requests to the API's own scheme, host and port: neither a redirect nor a next
link can carry it elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from copy import copy
from datetime import datetime
from typing import Final, final
from urllib.parse import quote

import anyio
import httpx
from multidict import CIMultiDict

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import ApiKeyAuth, BasicAuth, BearerAuth
from bronze_engine.contracts import (
    Auth,
    Credential,
    Exchange,
    Hide,
    Outgoing,
    Sign,
    TokenRequest,
)
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.sources.http.auth.fixed import FixedAuth, fixed_credential
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.url import origin_of
from bronze_engine.telemetry.redact import redact_url
from bronze_engine.workers import Workers

__all__ = ["Credentials"]

_EARLY_SECONDS: Final = 60.0
"""A token is renewed so long before it expires: our clock and the server's may differ, and
the request that carries it takes its time."""
_EARLY_SHARE: Final = 0.1
"""Of the lifetime, where that is less."""
_SETTLED_SECONDS: Final = 1.0
"""A credential so old that is refused may have expired; a younger one is none."""
_UNCHANGED_SECONDS: Final = 30.0
"""Who was asked early and had no other yet is not asked again for so long."""


def _hide_nothing(_: str, __: Iterable[str]) -> None: ...


@final
class Credentials:
    """What the requests to one API carry, and its renewal: one at a time, for all of them.

    `auth` is None where the configuration holds the credential itself. `hide` is told what no
    log may hold. Raises ConfigError where the base URL is none, holds a user name, or where a
    header can't be sent.
    """

    def __init__(
        self,
        api: Api,
        auth: Auth | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        hide: Hide = _hide_nothing,
    ) -> None:
        base = _parse_base(api)
        self.base_url = str(base)
        self.origin = origin_of(base)
        self._plain_url = _plain_url(base)
        self.version = 0
        """Grows with each renewal that changed something."""
        self.secrets: list[str] = []
        """What no message may hold."""
        self._api = api
        self._headers = api.headers
        self._auth = auth
        self._credential = fixed_credential(api.auth)
        self._clock = clock
        self._hide = hide
        self._renewing = anyio.Lock()
        self._renewals = 0
        """Begun so far; grows with each that fails, too."""
        self._failure: BronzeError | None = None
        """What the last of them ended with."""
        self._renew_at = math.inf if auth is None else -math.inf
        self._found_at = clock.monotonic()
        self._plain: CIMultiDict[str] | None = None
        self._encode()

    @property
    def is_due(self) -> bool:
        """Whether a credential must be found before the next request."""
        return self._renew_at <= self._clock.monotonic()

    @property
    def expires_at(self) -> datetime | None:
        return self._credential.expires_at

    @property
    def is_shared(self) -> bool:
        return self._credential.is_shared

    def has_aged(self, refused: int) -> bool:
        """Whether the credentials of version `refused` may have expired since they were found."""
        age = self._clock.monotonic() - self._found_at
        return self.version != refused or age >= _SETTLED_SECONDS

    async def ready(self, exchange: Exchange, workers: Workers) -> None:
        """Find the first credential, or replace one that is about to expire.

        Raises AuthError, RetryError, ExtractError.
        """
        renewals = self._renewals
        async with self._renewing:
            if not self.is_due:
                return
            self._raise_failure(renewals)
            is_first = self._renew_at == -math.inf
            await self._renew(None if is_first else self._credential, exchange, workers)
            if self.is_due:
                self._renew_at = self._clock.monotonic() + _UNCHANGED_SECONDS

    async def renew(self, refused: int, exchange: Exchange, workers: Workers) -> bool:
        """After a 401 to the credentials of version `refused`: whether there are others now.

        Asked once for all requests that were refused together, also where that fails. Raises
        what `ready` does.
        """
        renewals = self._renewals
        async with self._renewing:
            if self.version == refused:
                self._raise_failure(renewals)
                await self._renew(self._credential, exchange, workers)
            return self.version != refused

    def _raise_failure(self, renewals: int) -> None:
        """Raise the error of a renewal that was waited for: asking again would say the same."""
        if self._failure is not None and self._renewals != renewals:
            raise copy(self._failure)

    async def _renew(
        self, refused: Credential | None, exchange: Exchange, workers: Workers
    ) -> None:
        self._renewals += 1
        self._failure = None
        try:
            await self._replace(refused, exchange, workers)
        except BronzeError as exc:
            self._failure = copy(exc)
            raise

    async def _replace(
        self, refused: Credential | None, exchange: Exchange, workers: Workers
    ) -> None:
        if self._auth is None and isinstance(self._api.auth, BearerAuth | BasicAuth | ApiKeyAuth):
            self._auth = FixedAuth(self._api.auth, workers)
        credential, headers = self._credential, self._headers
        if self._auth is not None:
            credential = await self._auth.credential(refused, exchange)
        if refused is not None:
            headers = await workers.run(reread, headers)
            if credential is refused and headers == self._headers:
                return
            self.version += 1
        self._credential, self._headers = credential, headers
        self._found_at = self._clock.monotonic()
        self._renew_at = self._early(credential.expires_at)
        self._encode()

    def _early(self, expires_at: datetime | None) -> float:
        """When to renew what expires then, by the monotonic clock."""
        if expires_at is None:
            return math.inf
        lifetime = (expires_at - self._clock.now()).total_seconds()
        return self._clock.monotonic() + lifetime - min(_EARLY_SECONDS, _EARLY_SHARE * lifetime)

    def _encode(self) -> None:
        headers = {"accept": ("Accept", "application/json")}
        headers["accept-encoding"] = ("Accept-Encoding", "gzip")
        headers["user-agent"] = ("User-Agent", "bronze-engine")
        self._common = _encoded(self._api, headers)
        own = {name: secret.reveal() for name, secret in self._headers.items()}
        for name, value in (*own.items(), *self._credential.headers.items()):
            headers[name.lower()] = (name, value)
        self._own = _encoded(self._api, headers)
        self._plain = None
        if not self._credential.params and self._credential.sign is None:
            self._plain = CIMultiDict((name.decode(), value.decode()) for name, value in self._own)
        before = self.secrets
        self.secrets = [*own.values(), *self._credential.secrets]
        self._hide(f"apis.{self._api.name}", [*self.secrets, *before])

    def plain(self, url: str) -> CIMultiDict[str] | None:
        """All that a GET of `url` needs: its headers. None where `request` must see to it.

        That is where something is signed or added to the URL, where the URL leads elsewhere
        than home, and where httpx would send it otherwise than it is written.
        """
        if self._plain is None or not self._plain_url.fullmatch(url) or "/." in url:
            return None
        return self._plain

    def request(
        self,
        method: str,
        url: httpx.URL,
        body: bytes | None,
        more: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """A request ready to be sent, with the credentials and the body where `url` is at home.

        `more` are headers of this request alone, at home; they stand in for configured ones.

        What is signed is what is sent, byte for byte, and each request is signed anew.
        """
        is_own = origin_of(url) == self.origin
        headers = self._own if is_own else self._common
        if not is_own:
            body = None
        if body is not None:
            headers = [*headers, (b"Content-Type", b"application/json")]
        if is_own:
            if more:
                headers = self._over(headers, more)
            credential = self._credential
            if credential.params:
                url = _with_params(url, credential.params)
            if credential.sign is not None:
                url, headers = self._signed(credential.sign, method, url, headers, body)
        return httpx.Request(
            method,
            url,
            headers=headers,
            content=body,
            extensions={
                "timeout": {
                    "connect": float(self._api.timeout.connect),
                    "read": float(self._api.timeout.read),
                }
            },
        )

    def token_request(self, request: TokenRequest) -> httpx.Request:
        """A request for a token: without a credential, at home with the configured headers.

        Raises ConfigError for a URL or a header that can't be sent.
        """
        url = _parse(request.url, f"apis.{self._api.name}: {redact_url(request.url)}")
        headers = {"accept": ("Accept", "application/json")}
        headers["accept-encoding"] = ("Accept-Encoding", "identity")
        headers["user-agent"] = ("User-Agent", "bronze-engine")
        if origin_of(url) == self.origin:
            for name, secret in self._headers.items():
                headers[name.lower()] = (name, secret.reveal())
        for name, value in request.headers.items():
            headers[name.lower()] = (name, value)
        timeout = self._api.timeout
        return httpx.Request(
            request.method,
            url,
            headers=_encoded(self._api, headers),
            content=request.body,
            extensions={
                "timeout": {"connect": float(timeout.connect), "read": float(timeout.read)}
            },
        )

    def _signed(
        self,
        sign: Sign,
        method: str,
        url: httpx.URL,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
    ) -> tuple[httpx.URL, list[tuple[bytes, bytes]]]:
        signature = sign(
            Outgoing(
                method=method,
                url=str(url),
                host=url.netloc.decode("ascii"),
                headers={name.decode("ascii").lower(): value.decode() for name, value in headers},
                body=body or b"",
            )
        )
        if signature.query:
            url = _with_query(url, signature.query)
        return url, self._over(headers, signature.headers)

    def _over(
        self, headers: list[tuple[bytes, bytes]], more: Mapping[str, str]
    ) -> list[tuple[bytes, bytes]]:
        """The headers with others in their place or behind them."""
        added = {name.lower(): (name, value) for name, value in more.items()}
        kept = [each for each in headers if each[0].decode("ascii").lower() not in added]
        return [*kept, *_encoded(self._api, added)]


def _plain_url(base: httpx.URL) -> re.Pattern[str]:
    """URLs at the origin of `base`, in characters that are sent as they are."""
    home = re.escape(f"{base.scheme}://{base.netloc.decode('ascii')}/")
    return re.compile(home + r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


def _with_params(url: httpx.URL, params: Mapping[str, str]) -> httpx.URL:
    """The URL with parameters that it does not have yet; what it has stays as it is written."""
    there = url.params
    added = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in params.items()
        if name not in there
    )
    return _with_query(url, added) if added else url


def _with_query(url: httpx.URL, added: str) -> httpx.URL:
    query = url.query.decode("ascii")
    return url.copy_with(query=(f"{query}&{added}" if query else added).encode("ascii"))


def _parse_base(api: Api) -> httpx.URL:
    base = _parse(api.base_url, f"apis.{api.name}.base_url")
    if base.userinfo:
        raise ConfigError(
            f"apis.{api.name}.base_url holds a user name; "
            f'set [apis.{api.name}.auth] type = "basic" instead'
        )
    return base


def _parse(text: str, what: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        valid = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ConfigError(
            f'{what} is no http or https URL; write it as "https://api.example.com/v1"'
        )
    return url


def _encoded(api: Api, headers: dict[str, tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    encoded = []
    for name, value in headers.values():
        if not name.isascii() or any(char in "\r\n\0" for char in name + value):
            raise ConfigError(
                f"apis.{api.name}: the header {name!r} holds a character that no header may hold "
                "(a line break at the end of a secret, perhaps)"
            )
        encoded.append((name.encode("ascii"), value.encode()))
    return encoded
