"""What a token endpoint answers, and what its refusals mean (RFC 6749, 5)."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec

from bronze_engine.config.auths.oauth2 import JwtBearerAuth, TokenAuth
from bronze_engine.config.loading.sensitive import of_auth
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Credential, TokenAnswer, TokenRequest
from bronze_engine.errors import AuthError
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Token", "as_credential", "form_request", "instant_after", "read_token", "refusal"]

_SHOWN: Final = 200
_MOST_SECONDS: Final = 10 * 365 * 86400.0
_ADVICE: Final[Mapping[str, str]] = {
    "invalid_client": "check client_id, client_secret and credentials_in",
    "unauthorized_client": "the client may not do this; allow it where the client is registered",
    "unsupported_grant_type": "the server knows no such auth; check type and token_url",
    "invalid_scope": "check scope",
    "invalid_target": "check audience",
}
"""By RFC 6749's codes; what invalid_grant means depends on the grant."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, as an answer carries it."""

    access_token: str
    expires_at: datetime | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at!r})"


def form_request(
    url: str,
    fields: Mapping[str, str | None],
    more: Mapping[str, Secret],
    *,
    client: tuple[str, Secret | None] | None = None,
    in_header: bool = False,
) -> TokenRequest:
    """A request for a token: fields without value are left out.

    `client` goes into the form, or as RFC 6749, 2.3.1 encodes it into a Basic header.
    """
    form = {name: value for name, value in fields.items() if value is not None}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if client is not None:
        client_id, secret = client
        if secret is not None and in_header:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = client_id
            if secret is not None:
                form["client_secret"] = secret.reveal()
    form |= {name: value.reveal() for name, value in more.items()}
    return TokenRequest(url=url, headers=headers, body=urlencode(form).encode())


def read_token(
    answer: TokenAnswer,
    now: datetime,
    *,
    owner: str,
    invalid_grant: str,
    auth: TokenAuth,
    secrets: Iterable[str] = (),
) -> Token:
    """The token in an answer. Raises AuthError for a refusal, and for what holds no token.

    No message holds a secret of `auth`, nor one of `secrets`.
    """
    fields = _fields(answer.body)
    token = fields.get("access_token")
    if not 200 <= answer.status < 300 or not isinstance(token, str) or not token:
        raise refusal(answer, owner=owner, invalid_grant=invalid_grant, auth=auth, secrets=secrets)
    refresh = fields.get("refresh_token")
    return Token(
        access_token=token,
        expires_at=instant_after(now, fields.get("expires_in")),
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
    )


def refusal(
    answer: TokenAnswer,
    *,
    owner: str,
    invalid_grant: str,
    auth: TokenAuth,
    secrets: Iterable[str] = (),
) -> AuthError:
    """The error for an answer without a token: what the server said, and what to do."""
    fields = _fields(answer.body)
    code = fields.get("error")
    code = code if isinstance(code, str) else ""
    description = fields.get("error_description") or fields.get("message") or ""
    said = ": ".join(each for each in (code, description) if each and isinstance(each, str))
    advice = _ADVICE.get(code) or invalid_grant
    if code == "invalid_client" and isinstance(auth, JwtBearerAuth):
        advice = invalid_grant  # an assertion is all that there is of the client
    if 200 <= answer.status < 300 and not code:
        names = ", ".join(sorted(map(str, fields))[:10]) or "no JSON object"
        text, advice = f"holds no access_token ({names})", "check that it is a token endpoint"
    else:
        masked = Redactor([*of_auth(auth), *secrets])(" ".join(said.split()))
        text = f"refused with {answer.status}{': ' if masked else ''}{masked[:_SHOWN]}"
    return AuthError(f"{owner}: {text}; {advice}")


def instant_after(now: datetime, seconds: object) -> datetime | None:
    """When what lives so long from now expires; None where that is not told or not above 0."""
    if isinstance(seconds, str):
        try:
            seconds = float(seconds)
        except ValueError:
            return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    if not 0 < seconds < math.inf:
        return None
    return now + timedelta(seconds=min(float(seconds), _MOST_SECONDS))


def as_credential(token: Token, auth: TokenAuth, *more: str | None) -> Credential:
    """The token as requests carry it; `more` are secrets beside it."""
    text = f"{auth.prefix} {token.access_token}" if auth.prefix else token.access_token
    secrets: Iterable[str | None] = (token.access_token, *more)
    return Credential(
        headers={auth.name: text},
        expires_at=token.expires_at,
        secrets=tuple(each for each in secrets if each),
    )


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
