"""Credentials, bound to the origin of their API.

Everything that an API's configuration adds to its requests (auth, headers) is added here,
and only to requests to the API's own scheme, host and port: neither a redirect nor a next
link can carry it elsewhere.
"""

from __future__ import annotations

import base64
from typing import final

import httpx
import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.url import origin_of

__all__ = ["Credentials"]


@final
class Credentials:
    """The headers and the query key of one API.

    Raises ConfigError where the base URL is none, holds a user name, or where a header
    can't be sent.
    """

    def __init__(self, api: Api) -> None:
        self.origin = origin_of(_parse_base(api))
        self.version = 0
        """Grows with each renewal that changed something."""
        self._set(api)

    def renew(self) -> bool:
        """Read the secrets that came from files again; True if one has changed.

        Blocks. A file that can't be read leaves everything as it was. Raises ConfigError
        where a new secret can't be sent.
        """
        try:
            api = _renewed(self._api)
        except OSError:
            return False
        if api == self._api:
            return False
        self._set(api)
        self.version += 1
        return True

    def _set(self, api: Api) -> None:
        self._api = api
        headers = {"accept": ("Accept", "application/json")}
        headers["accept-encoding"] = ("Accept-Encoding", "gzip")
        headers["user-agent"] = ("User-Agent", "bronze-engine")
        self._common = _encode(api, headers)
        self.secrets = [value.reveal() for value in api.headers.values()]
        """What no message may hold."""
        for name, secret in api.headers.items():
            headers[name.lower()] = (name, secret.reveal())
        self._query: tuple[str, str] | None = None
        match api.auth:
            case BearerAuth(token=token):
                headers["authorization"] = ("Authorization", f"Bearer {token.reveal()}")
                self.secrets.append(token.reveal())
            case BasicAuth(username=username, password=password):
                pair = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
                headers["authorization"] = ("Authorization", f"Basic {pair}")
                self.secrets += [pair, password.reveal()]
            case ApiKeyAuth(key=key, name=name, location="header"):
                headers[name.lower()] = (name, key.reveal())
                self.secrets.append(key.reveal())
            case ApiKeyAuth(key=key, name=name):
                self._query = name, key.reveal()
                self.secrets.append(key.reveal())
            case None:
                pass
        self._own = _encode(api, headers)

    def request(self, method: str, url: httpx.URL, body: bytes | None) -> httpx.Request:
        """A request ready to be sent, with the credentials and the body where `url` is at home."""
        own = origin_of(url) == self.origin
        headers = self._own if own else self._common
        if own and self._query is not None and self._query[0] not in url.params:
            url = url.copy_add_param(*self._query)
        if not own:
            body = None
        if body is not None:
            headers = [*headers, (b"Content-Type", b"application/json")]
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


def _renewed(api: Api) -> Api:
    headers = {name: secret.renewed() for name, secret in api.headers.items()}
    match api.auth:
        case BearerAuth(token=token):
            auth: Auth | None = BearerAuth(token=token.renewed())
        case BasicAuth(password=password):
            auth = msgspec.structs.replace(api.auth, password=password.renewed())
        case ApiKeyAuth(key=key):
            auth = msgspec.structs.replace(api.auth, key=key.renewed())
        case None:
            auth = None
    return msgspec.structs.replace(api, headers=headers, auth=auth)


def _parse_base(api: Api) -> httpx.URL:
    try:
        base = httpx.URL(api.base_url)
        valid = base.scheme in ("http", "https") and bool(base.host)
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ConfigError(
            f"apis.{api.name}.base_url is no http or https URL; "
            'write it as "https://api.example.com/v1"'
        )
    if base.userinfo:
        raise ConfigError(
            f"apis.{api.name}.base_url holds a user name; "
            f'set [apis.{api.name}.auth] type = "basic" instead'
        )
    return base


def _encode(api: Api, headers: dict[str, tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    encoded = []
    for name, value in headers.values():
        if not name.isascii() or any(char in "\r\n\0" for char in name + value):
            raise ConfigError(
                f"apis.{api.name}: the header {name!r} holds a character that no header may hold "
                "(a line break at the end of a secret, perhaps)"
            )
        encoded.append((name.encode("ascii"), value.encode()))
    return encoded
