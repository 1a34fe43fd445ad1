"""`type = "jwt_bearer"`: an assertion that we sign is, or is exchanged for, the token."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bronze_engine.config.auths.oauth2 import JwtBearerAuth
from bronze_engine.contracts import AuthResources, Credential, Exchange
from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.auth.tokens import (
    Token,
    as_credential,
    form_request,
    read_token,
)
from bronze_engine.telemetry.redact import redact_url

__all__ = ["JwtBearer"]

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CLIENT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ADVICE: Final = (
    "check issuer, subject and audience, that the public key is registered there, and this "
    "machine's clock"
)
_SKEW_SECONDS: Final = 5
"""`iat` lies so far in the past: a server whose clock is behind refuses what is yet to come."""
_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


class _Key(msgspec.Struct, frozen=True, kw_only=True):
    """What signs, and what a service account's file says beside its key."""

    sign: Callable[[bytes], bytes]
    issuer: str | None = None
    key_id: str | None = None


@final
class JwtBearer:
    """RFC 7523. The key of a file is read anew for each assertion."""

    config = JwtBearerAuth

    def __init__(self, config: JwtBearerAuth, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources
        self._where = f"[apis.{resources.api.name}.auth]"

    async def credential(self, _: Credential | None, exchange: Exchange, /) -> Credential:
        run = self._resources.workers.run
        auth = self._config = await run(reread, self._config)
        now = self._resources.clock.now()
        assertion = await run(self._assertion, auth, now)
        if auth.token_url is None:
            expires_at = now + timedelta(seconds=auth.lifetime - _SKEW_SECONDS)
            return as_credential(Token(access_token=assertion, expires_at=expires_at), auth)
        request = form_request(
            auth.token_url, {**_sent(auth, assertion), "scope": auth.scope}, auth.params
        )
        token = read_token(
            await exchange.ask(request),
            self._resources.clock.now(),
            owner=f"{self._where}: {redact_url(auth.token_url)}",
            invalid_grant=_ADVICE,
            auth=auth,
        )
        return as_credential(token, auth, assertion)

    def _assertion(self, auth: JwtBearerAuth, now: datetime) -> str:
        key = _key(auth, f"{self._where}.private_key")
        issued = int(now.timestamp()) - _SKEW_SECONDS
        key_id, issuer = auth.key_id or key.key_id, auth.issuer or key.issuer
        header = {"alg": auth.algorithm, "typ": "JWT", "kid": key_id, **auth.header}
        subject = auth.subject
        if subject is None and auth.sent_as == "client_assertion":
            subject = issuer
        claims = {
            "iss": issuer,
            "sub": subject,
            "aud": auth.audience or auth.token_url,
            "iat": issued,
            "exp": issued + int(auth.lifetime),
            "jti": secrets.token_hex(16),
            **auth.claims,
        }
        signed = b".".join(_encoded(_json(part)) for part in (header, claims))
        return (signed + b"." + _encoded(key.sign(signed))).decode("ascii")


def _sent(auth: JwtBearerAuth, assertion: str) -> dict[str, str]:
    if auth.sent_as == "assertion":
        return {"grant_type": _GRANT, "assertion": assertion}
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": _CLIENT,
        "client_assertion": assertion,
    }


def _key(auth: JwtBearerAuth, where: str) -> _Key:
    text = auth.private_key.reveal()
    if auth.algorithm.startswith("HS"):
        secret, digest = text.encode(), f"sha{auth.algorithm[2:]}"
        return _Key(sign=lambda data: hmac.digest(secret, data, digest))
    issuer = key_id = None
    if text.lstrip().startswith("{"):
        account = _service_account(text, where)
        text = account.private_key
        issuer, key_id = account.client_email, account.private_key_id
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{where} is no private key in PEM without a password; it begins with "
            "-----BEGIN PRIVATE KEY-----"
        ) from None
    return _Key(sign=_signer(key, auth.algorithm, where), issuer=issuer, key_id=key_id)


def _signer(key: object, algorithm: str, where: str) -> Callable[[bytes], bytes]:
    family, digest = algorithm[:2], _HASHES[algorithm[2:]]
    if family == "RS" and isinstance(key, rsa.RSAPrivateKey):
        return lambda data: key.sign(data, padding.PKCS1v15(), digest)
    if family == "PS" and isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return lambda data: key.sign(data, scheme, digest)
    if family == "ES" and isinstance(key, ec.EllipticCurvePrivateKey):
        curve = _CURVES[algorithm]
        if isinstance(key.curve, curve):
            size = (key.curve.key_size + 7) // 8
            return lambda data: _joined(key.sign(data, ec.ECDSA(digest)), size)
        raise ConfigError(
            f"{where} is a key on {key.curve.name}; {algorithm} wants one on {curve.name}"
        )
    raise ConfigError(f"{where} is no key for {algorithm}; check algorithm")


def _joined(signature: bytes, size: int) -> bytes:
    """ECDSA as JWS wants it: r and s side by side, each of `size` bytes (RFC 7518, 3.4)."""
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(size) + s.to_bytes(size)


class _ServiceAccount(msgspec.Struct, frozen=True):
    """What Google's console hands out for a service account."""

    private_key: str
    client_email: str
    private_key_id: str | None = None


def _service_account(text: str, where: str) -> _ServiceAccount:
    try:
        return msgspec.json.decode(text, type=_ServiceAccount)
    except msgspec.DecodeError:
        raise ConfigError(
            f"{where} is JSON, but no service account with private_key and client_email"
        ) from None


def _json(part: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: item for name, item in part.items() if item is not None})


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
