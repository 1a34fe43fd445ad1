"""The demo's other credentials: tokens that it gives out, and signatures that it checks.

    /token            POST, a form: client_credentials, refresh_token, jwt-bearer (HS256)
    /session          POST {"user": …, "password": …}: {"data": {"token": …, "expires": …}}
    /oauth/orders     a token of client_credentials       /refresh/orders  of refresh_token
    /jwt/orders       of jwt-bearer                       /login/orders    of /session
    /hmac/orders      X-Key, X-Time and X-Sign: SHA-256 over time, method, path and query, body
    /sigv4/orders     AWS Signature Version 4 for execute-api in eu-central-1

Tokens say themselves what they are for and when they expire, and are signed: the server
remembers nothing, so that a demo may be started anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any, Final, final

import msgspec
from aiohttp import web

from bronze_engine.clock import Clock

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "JWT_KEY", "REFRESH_TOKEN", "SIGNING_KEY", "DemoAuth"]

CLIENT_ID: Final = "demo-client"
CLIENT_SECRET: Final = "demo-secret"  # noqa: S105  # the demo's, printed in its documents
REFRESH_TOKEN: Final = "demo-refresh"  # noqa: S105
JWT_KEY: Final = "demo-jwt-key-of-32-bytes-or-more"
SIGNING_KEY: Final = "demo-signing-key"

_LIFETIME_SECONDS: Final = 3600
_KINDS: Final = {"oauth": "client", "refresh": "refresh", "jwt": "jwt", "login": "login"}
_SCOPE: Final = "eu-central-1/execute-api/aws4_request"
_AWS: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/(\S+), SignedHeaders=(\S+), Signature=(\S+)"
)


@final
class DemoAuth:
    """Gives tokens out, and judges requests that must carry one or be signed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def knows(self, request: web.Request) -> bool:
        """Whether the rest of this class is what lets this request in."""
        first = request.path.split("/")[1]
        return first in (*_KINDS, "hmac", "sigv4", "token", "session")

    async def refusal(self, request: web.Request) -> str | None:
        """Why a request is not let in; None where it is."""
        first = request.path.split("/")[1]
        if first in ("token", "session"):
            return None
        if first == "hmac":
            return await self._hmac(request)
        if first == "sigv4":
            return await self._sigv4(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self._kind(token) != _KINDS[first]:
            return "the token is missing, wrong or has expired"
        return None

    async def token(self, request: web.Request) -> web.Response:
        """RFC 6749's token endpoint."""
        form = dict(await request.post())
        grant = str(form.get("grant_type", ""))
        if grant.endswith(":jwt-bearer"):
            if not _is_signed(str(form.get("assertion", ""))):
                return _refused("invalid_grant", "the assertion is signed by nobody known")
            return self._granted("jwt")
        if not _is_client(request, form):
            return _refused("invalid_client", "who are you?", status=401)
        if grant == "client_credentials":
            return self._granted("client")
        used = str(form.get("refresh_token", ""))
        name, _, number = used.rpartition(".")
        if grant == "refresh_token" and REFRESH_TOKEN in (used, name):
            following = int(number) + 1 if name and number.isdigit() else 1
            return self._granted("refresh", refresh_token=f"{REFRESH_TOKEN}.{following}")
        return _refused("invalid_grant", "the refresh token is none of ours")

    async def session(self, request: web.Request) -> web.Response:
        """A login of its own kind."""
        try:
            given: Any = msgspec.json.decode(await request.read())
        except msgspec.DecodeError:
            given = None
        if given != {"user": CLIENT_ID, "password": CLIENT_SECRET}:
            return web.json_response({"message": "user or password is wrong"}, status=403)
        expires = int(self._clock.now().timestamp()) + _LIFETIME_SECONDS
        return web.json_response({"data": {"token": _made("login", expires), "expires": expires}})

    def _granted(self, kind: str, **more: str) -> web.Response:
        expires = int(self._clock.now().timestamp()) + _LIFETIME_SECONDS
        answer = {"access_token": _made(kind, expires), "token_type": "Bearer", **more}
        return web.json_response({**answer, "expires_in": _LIFETIME_SECONDS})

    def _kind(self, token: str) -> str | None:
        kind, _, rest = token.partition(".")
        expires = rest.partition(".")[0]
        if not expires.isdigit() or token != _made(kind, int(expires)):
            return None
        return kind if int(expires) > self._clock.now().timestamp() else None

    async def _hmac(self, request: web.Request) -> str | None:
        time = request.headers.get("X-Time", "")
        if not time.isdigit() or abs(int(time) - self._clock.now().timestamp()) > 300:
            return "X-Time is not now"
        signed = f"{time}{request.method}{request.raw_path}".encode() + await request.read()
        wanted = hmac.digest(SIGNING_KEY.encode(), signed, "sha256").hex()
        if request.headers.get("X-Key") != CLIENT_ID or request.headers.get("X-Sign") != wanted:
            return "X-Sign is wrong"
        return None

    async def _sigv4(self, request: web.Request) -> str | None:
        match = _AWS.fullmatch(request.headers.get("Authorization", ""))
        if match is None or match[1] != CLIENT_ID or match[3] != _SCOPE:
            return "the signature is missing, or for another key, region or service"
        names = match[4].split(";")
        path, _, query = request.raw_path.partition("?")
        canonical = [
            request.method,
            path,
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{request.headers.get(name, '').strip()}" for name in names),
            "",
            match[4],
            hashlib.sha256(await request.read()).hexdigest(),
        ]
        hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        time = request.headers.get("X-Amz-Date", "")
        text = "\n".join(("AWS4-HMAC-SHA256", time, f"{match[2]}/{_SCOPE}", hashed))
        key = f"AWS4{SIGNING_KEY}".encode()
        for part in (match[2], *_SCOPE.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return None if key.hex() == match[5] else "the signature is wrong"


def _made(kind: str, expires: int) -> str:
    text = f"{kind}.{expires}"
    return f"{text}.{hmac.digest(SIGNING_KEY.encode(), text.encode(), 'sha256').hex()[:32]}"


def _is_client(request: web.Request, form: dict[str, Any]) -> bool:
    pair = f"{form.get('client_id')}:{form.get('client_secret')}"
    header = request.headers.get("Authorization", "")
    if header.startswith("Basic "):
        try:
            pair = base64.b64decode(header.removeprefix("Basic ")).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
    return pair == f"{CLIENT_ID}:{CLIENT_SECRET}"


def _is_signed(assertion: str) -> bool:
    signed, _, signature = assertion.rpartition(".")
    wanted = hmac.digest(JWT_KEY.encode(), signed.encode(), "sha256")
    return signature == base64.urlsafe_b64encode(wanted).rstrip(b"=").decode()


def _refused(error: str, description: str, *, status: int = 400) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
