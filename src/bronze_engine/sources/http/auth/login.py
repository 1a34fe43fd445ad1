"""`type = "login"`: the answer to a request of the API's own carries the token."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, final
from urllib.parse import urlencode

import msgspec

from bronze_engine.config.auths.auth import LoginAuth
from bronze_engine.config.units import Secret
from bronze_engine.contracts import (
    AuthResources,
    Credential,
    Exchange,
    TokenAnswer,
    TokenRequest,
)
from bronze_engine.errors import AuthError
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.auth.tokens import Token, as_credential, instant_after, refusal
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Login"]

_ADVICE: Final = "check params or json, and path"
_EPOCH_SECONDS: Final = 1e9
"""A number above is an instant (2001 or later), one below a lifetime (32 years at most)."""
_EPOCH_MILLISECONDS: Final = 1e11


@final
class Login:
    """A login under base_url. Secrets of files are read anew for each."""

    config = LoginAuth

    def __init__(self, config: LoginAuth, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources

    async def credential(self, _: Credential | None, exchange: Exchange, /) -> Credential:
        auth = self._config = await self._resources.workers.run(reread, self._config)
        url = build_url(self._resources.api.base_url, auth.path, {})
        where = f"[apis.{self._resources.api.name}.auth]: {auth.method} {redact_url(url)}"
        answer = await exchange.ask(_request(auth, url))
        if not 200 <= answer.status < 300:
            raise refusal(answer, owner=where, invalid_grant=_ADVICE, auth=auth)
        token = self._token(answer, auth, where)
        if auth.location == "query":
            text = token.access_token
            return Credential(
                params={auth.name: text}, expires_at=token.expires_at, secrets=(text,)
            )
        return as_credential(token, auth)

    def _token(self, answer: TokenAnswer, auth: LoginAuth, where: str) -> Token:
        try:
            value = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise AuthError(f"{where} answers with no JSON; check path") from None
        text = _at(value, auth.token_path)
        if isinstance(text, int) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str) or not text:
            names = ", ".join(sorted(value)[:10]) if isinstance(value, dict) else "no object"
            raise AuthError(
                f"{where}: its answer holds no token at token_path {auth.token_path!r}; "
                f"there are: {names}"
            )
        expires = None if auth.expires_path is None else _at(value, auth.expires_path)
        return Token(access_token=text, expires_at=_expiry(expires, self._resources.clock.now()))


def _request(auth: LoginAuth, url: str) -> TokenRequest:
    if auth.method == "GET":
        given = {name: value.reveal() for name, value in auth.params.items()}
        return TokenRequest(method="GET", url=build_url(url, "", given))
    if auth.json is not None:
        headers = {"Content-Type": "application/json"}
        return TokenRequest(url=url, headers=headers, body=msgspec.json.encode(_plain(auth.json)))
    form = {name: value.reveal() for name, value in auth.params.items()}
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    return TokenRequest(url=url, headers=headers, body=urlencode(form).encode())


def _plain(value: Any) -> Any:
    """Texts from variables as plain ones, at any depth."""
    match value:
        case Secret():
            return value.reveal()
        case str():
            return str(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _expiry(value: object, now: datetime) -> datetime | None:
    """When a token expires, from what the answer says; None where it makes no sense.

    A number is a lifetime in seconds, or an instant in epoch seconds or milliseconds.
    """
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            instant = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
            return instant if instant > now else None
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if value < _EPOCH_SECONDS:
        return instant_after(now, value)
    seconds = value / 1000 if value >= _EPOCH_MILLISECONDS else value
    return instant_after(now, seconds - now.timestamp())
