"""`type = "login"`: the answer to a request of the API's own carries a token, cookies, or both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, final
from urllib.parse import urlencode

import msgspec

from bronze_engine.config.auths.auth import LoginAuth
from bronze_engine.config.loading.sensitive import worth_hiding
from bronze_engine.config.units import Secret
from bronze_engine.contracts import (
    AuthResources,
    Credential,
    Exchange,
    TokenAnswer,
    TokenRequest,
)
from bronze_engine.errors import AuthError
from bronze_engine.sources.http.auth.cookies import cookies_in
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.auth.tokens import Token, as_credential, instant_after, refusal
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Login"]

_ADVICE: Final = "check params or json, and path"
_DEFAULT_PATH: Final = "access_token"
_WHOLE: Final = "$"
"""The path of the body itself."""
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
        now = self._resources.clock.now()
        expires_at = None
        if auth.expires_path is not None:
            expires_at = _expiry(_at(_decoded(answer, where), auth.expires_path), now)
        found = Credential(expires_at=expires_at)
        if auth.sends_token:
            text = _token(answer, auth, where)
            if auth.location == "query":
                found = Credential(params={auth.name: text}, expires_at=expires_at, secrets=(text,))
            else:
                found = as_credential(Token(access_token=text, expires_at=expires_at), auth)
        return _with_cookies(found, answer, where, now) if auth.cookies else found


def _token(answer: TokenAnswer, auth: LoginAuth, where: str) -> str:
    if auth.token_header is not None:
        text = answer.headers.get(auth.token_header.lower(), "").strip()
        if not text:
            names = ", ".join(sorted(answer.headers)[:20])
            raise AuthError(
                f"{where}: its answer has no token in the header {auth.token_header!r}; "
                f"there are: {names}"
            )
        return text
    path = auth.token_path or _DEFAULT_PATH
    if path == _WHOLE and answer.body.lstrip()[:1] not in (b'"', b"{", b"["):
        value: Any = answer.body.decode("utf-8", "replace").strip()
    else:
        value = _at(_decoded(answer, where), path)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        body = _decoded(answer, where)
        names = ", ".join(sorted(body)[:10]) if isinstance(body, dict) else "no object"
        raise AuthError(
            f"{where}: its answer holds no token at token_path {path!r}; there are: {names}"
            + ('; token_path = "$" takes the text that it is' if isinstance(body, str) else "")
        )
    return value


def _with_cookies(found: Credential, answer: TokenAnswer, where: str, now: datetime) -> Credential:
    """The credential with the cookies of the answer beside it; it expires with the first."""
    cookies, lifetime = cookies_in(answer.headers.get("set-cookie", ""))
    if not cookies:
        raise AuthError(f"{where}: its answer sets no cookie; {_ADVICE}, or leave `cookies` out")
    ends = [found.expires_at, instant_after(now, lifetime)]
    return msgspec.structs.replace(
        found,
        headers={
            **found.headers,
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        },
        expires_at=min((end for end in ends if end is not None), default=None),
        secrets=(
            *found.secrets,
            *(each for value in cookies.values() for each in worth_hiding(value)),
        ),
    )


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


def _decoded(answer: TokenAnswer, where: str) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AuthError(
            f"{where} answers with no JSON; check path, and whether the token is the whole body "
            '(token_path = "$"), in a header (token_header) or in a cookie (cookies = true)'
        ) from None


def _at(value: Any, path: str) -> Any:
    for name in path.split(".") if path != _WHOLE else ():
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
