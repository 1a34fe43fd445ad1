"""Assertions, verified by another library, and what they are exchanged for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bronze_engine.config.auths.oauth2 import JwtBearerAuth
from bronze_engine.config.loading.sensitive import of_auth
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import AuthError, ConfigError
from bronze_engine.sources.http.auth.jwt_bearer import JwtBearer
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers
from tests.issuer import Issuer
from tests.unit.http.auth.asking import Asked, resources

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

URL = "https://login.example.com/token"
NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())
EC521 = ec.generate_private_key(ec.SECP521R1())
HS = "a shared secret of at least 64 bytes, for the longest of the three digests"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def pem(key: Any, encryption: Any = None) -> str:
    kind = PrivateFormat.PKCS8
    text: bytes = key.private_bytes(Encoding.PEM, kind, encryption or NoEncryption())
    return text.decode()


def public(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def asking(workers: Workers, **fields: Any) -> tuple[JwtBearer, Asked]:
    clock = ManualClock(start=NOW)
    values = {"token_url": URL, "issuer": "me", **fields}
    auth = JwtBearer(JwtBearerAuth(**values), resources(clock, workers))
    return auth, Asked(Issuer(clock))


def claims_of(assertion: str, key: str, algorithm: str, audience: str | None = URL) -> Any:
    """What PyJWT reads; raises where the signature is wrong. The clock is the test's own."""
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": audience is not None}
    return jwt.decode(assertion, key, algorithms=[algorithm], audience=audience, options=options)


@pytest.mark.parametrize(
    ("algorithm", "private", "verify"),
    [
        *((name, pem(RSA), public(RSA)) for name in ("RS256", "RS384", "RS512")),
        *((name, pem(RSA), public(RSA)) for name in ("PS256", "PS384", "PS512")),
        ("ES256", pem(EC), public(EC)),
        ("ES384", pem(EC384), public(EC384)),
        ("ES512", pem(EC521), public(EC521)),
        *((name, HS, HS) for name in ("HS256", "HS384", "HS512")),
    ],
)
async def test_an_assertion_is_signed_and_exchanged(
    workers: Workers, algorithm: Any, private: str, verify: str
) -> None:
    auth, exchange = asking(
        workers,
        algorithm=algorithm,
        private_key=Secret(private),
        subject="someone",
        key_id="k1",
        claims={"scope": "read"},
        scope="form scope",
        params={"tenant": Secret("t")},
    )
    credential = await auth.credential(None, exchange)
    assert credential.headers == {"Authorization": "Bearer access-1"}
    assert credential.expires_at == NOW + timedelta(hours=1)
    form = exchange.issuer.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (form["scope"], form["tenant"]) == ("form scope", "t")
    header = jwt.get_unverified_header(form["assertion"])
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    claims = claims_of(form["assertion"], verify, algorithm)
    assert claims.pop("jti")
    issued = int(NOW.timestamp()) - 5
    assert claims == {
        "iss": "me",
        "sub": "someone",
        "aud": URL,
        "iat": issued,
        "exp": issued + 180,
        "scope": "read",
    }
    assert form["assertion"] in credential.secrets


async def test_an_assertion_may_be_the_client_s_proof(workers: Workers) -> None:
    auth, exchange = asking(
        workers,
        algorithm="PS256",
        private_key=Secret(pem(RSA)),
        sent_as="client_assertion",
        scope="rest_webservices",
        header={"x5t": "thumb"},
        params={"client_id": Secret("me")},
    )
    assert (await auth.credential(None, exchange)).headers == {"Authorization": "Bearer access-1"}
    form = exchange.issuer.forms[0]
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "scope": "rest_webservices",
        "client_id": "me",
    }
    assert jwt.get_unverified_header(assertion) == {"alg": "PS256", "typ": "JWT", "x5t": "thumb"}
    claims = claims_of(assertion, public(RSA), "PS256")
    assert (claims["iss"], claims["sub"]) == ("me", "me")


async def test_es256_signatures_have_their_full_length_always(workers: Workers) -> None:
    """Of 64 bytes also where r or s begins with zeros: one in 128."""
    auth, _ = asking(workers, algorithm="ES256", private_key=Secret(pem(EC)), token_url=None)
    for _again in range(300):
        credential = await auth.credential(None, Asked(Issuer(ManualClock())))
        assertion = credential.headers["Authorization"].removeprefix("Bearer ")
        assert len(assertion.rpartition(".")[2]) == 86
        claims_of(assertion, public(EC), "ES256", audience=None)


async def test_each_token_has_an_assertion_of_its_own(workers: Workers) -> None:
    auth, exchange = asking(workers, algorithm="HS256", private_key=Secret(HS))
    first = await auth.credential(None, exchange)
    await auth.credential(first, exchange)
    assert len({form["assertion"] for form in exchange.issuer.forms}) == 2


async def test_without_a_token_url_the_assertion_is_the_token(workers: Workers) -> None:
    auth, exchange = asking(
        workers,
        token_url=None,
        algorithm="HS256",
        private_key=Secret(HS),
        audience="appstoreconnect-v1",
        lifetime=Duration(600),
    )
    credential = await auth.credential(None, exchange)
    assertion = credential.headers["Authorization"].removeprefix("Bearer ")
    claims = claims_of(assertion, HS, "HS256", "appstoreconnect-v1")
    assert claims["exp"] == int(NOW.timestamp()) + 595
    assert credential.expires_at == NOW + timedelta(seconds=595)
    assert exchange.requests == []


async def test_a_google_service_account_is_its_file(workers: Workers) -> None:
    account = {
        "type": "service_account",
        "private_key": pem(RSA),
        "private_key_id": "abc",
        "client_email": "robot@project.iam.gserviceaccount.com",
    }
    secret = Secret(json.dumps(account))
    auth, exchange = asking(workers, private_key=secret, issuer=None, claims={"scope": "s"})
    await auth.credential(None, exchange)
    assertion = exchange.issuer.forms[0]["assertion"]
    assert jwt.get_unverified_header(assertion)["kid"] == "abc"
    claims = claims_of(assertion, public(RSA), "RS256")
    assert (claims["iss"], claims["scope"]) == (account["client_email"], "s")
    hidden = set(of_auth(JwtBearerAuth(token_url=URL, private_key=secret)))
    assert account["private_key"] in hidden


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"private_key": Secret("no key")}, "no private key in PEM"),
        ({"private_key": Secret(public(RSA))}, "no private key in PEM"),
        ({"private_key": Secret(pem(RSA, BestAvailableEncryption(b"x")))}, "without a password"),
        ({"private_key": Secret("{}")}, "no service account with private_key"),
        ({"private_key": Secret(pem(EC))}, "is no key for RS256"),
        ({"private_key": Secret(pem(RSA)), "algorithm": "ES256"}, "is no key for ES256"),
        (
            {
                "private_key": Secret(pem(ec.generate_private_key(ec.SECP384R1()))),
                "algorithm": "ES256",
            },
            "is a key on secp384r1; ES256 wants one on secp256r1",
        ),
    ],
)
async def test_a_key_that_is_none_is_told_before_any_request(
    workers: Workers, fields: dict[str, Any], says: str
) -> None:
    auth, exchange = asking(workers, **fields)
    with pytest.raises(ConfigError, match=says) as caught:
        await auth.credential(None, exchange)
    assert "[apis.shop.auth].private_key" in str(caught.value)
    assert "BEGIN RSA" not in str(caught.value)
    assert exchange.requests == []


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client"])
async def test_a_refused_assertion_says_what_to_check(workers: Workers, code: str) -> None:
    auth, exchange = asking(workers, algorithm="HS256", private_key=Secret(HS))

    async def refuse() -> None:
        exchange.issuer.answer = lambda *_: (400, {"error": code})  # type: ignore[method-assign]

    exchange.before = refuse
    with pytest.raises(AuthError, match="check issuer, subject and audience"):
        await auth.credential(None, exchange)
