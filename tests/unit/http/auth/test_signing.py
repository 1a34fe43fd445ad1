"""Signatures, against vectors that the vendors publish and against the standard by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.auths.signing import HmacAuth, SigV4Auth
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Outgoing
from bronze_engine.errors import AuthError
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.auth.keyed_hash import KeyedHash, signature_of
from bronze_engine.sources.http.auth.sigv4 import SigV4
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers
from tests.issuer import Issuer
from tests.unit.http.auth.asking import Asked, resources

pytestmark = [pytest.mark.unit]

BASE = "https://api.example.com/v1"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def outgoing(**more: Any) -> Outgoing:
    values = {"method": "GET", "url": f"{BASE}/x", "host": "api.example.com"}
    return Outgoing(**{**values, "headers": {}, "body": b"", **more})


# HMAC


def test_a_query_is_signed_as_binance_has_it() -> None:
    """The example of Binance's documentation, "SIGNED Endpoint security"."""
    auth = HmacAuth(
        key=Secret("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"),
        secret=Secret("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"),
        sign="{query}",
        timestamp="epoch_ms",
        headers={"X-MBX-APIKEY": "{key}"},
        params={"timestamp": "{timestamp}", "signature": "{signature}"},
    )
    clock = ManualClock(start=datetime.fromtimestamp(1499827319.559, UTC))
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    signed = signature_of(auth, outgoing(url=f"https://api.binance.com/api?{query}"), clock, "n")
    assert signed.query == (
        "timestamp=1499827319559&signature="
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    assert signed.headers == {"X-MBX-APIKEY": auth.key.reveal()}


def test_a_request_is_signed_as_coinbase_has_it() -> None:
    """Base64 of the secret and of the signature, over time, method, path and query, body."""
    secret = base64.b64encode(b"a secret of sixty-four bytes, more or less").decode()
    auth = HmacAuth(
        key=Secret("key"),
        secret=Secret(secret),
        secret_encoding="base64",
        encoding="base64",
        sign="{timestamp}{method}{target}{body}",
        headers={
            "CB-ACCESS-KEY": "{key}",
            "CB-ACCESS-SIGN": "{signature}",
            "CB-ACCESS-TIMESTAMP": "{timestamp}",
        },
    )
    clock = ManualClock(start=datetime.fromtimestamp(1499827319.559, UTC))
    asked = outgoing(method="POST", url=f"{BASE}/orders?a=1&b=%2F", body=b'{"size":"1"}')
    signed = signature_of(auth, asked, clock, "n")
    message = b'1499827319POST/v1/orders?a=1&b=%2F{"size":"1"}'
    wanted = hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest()
    assert signed.headers == {
        "CB-ACCESS-KEY": "key",
        "CB-ACCESS-SIGN": base64.b64encode(wanted).decode(),
        "CB-ACCESS-TIMESTAMP": "1499827319",
    }


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("secret_encoding", ["text", "base64", "hex"])
def test_each_option_of_a_hash(algorithm: Any, encoding: Any, secret_encoding: Any) -> None:
    raw = b"0123456789abcdef"
    written = {"text": raw.decode(), "base64": base64.b64encode(raw).decode(), "hex": raw.hex()}
    auth = HmacAuth(
        secret=Secret(written[secret_encoding]),
        secret_encoding=secret_encoding,
        algorithm=algorithm,
        encoding=encoding,
        sign="{method}\n{host}\n{path}\n{url}\n{body_hash}\n{nonce}\n{{}}",
        headers={"X-Sign": "v1={signature}"},
    )
    asked = outgoing(method="POST", url=f"{BASE}/x?a=b", body=b"body")
    signed = signature_of(auth, asked, ManualClock(), "once")

    def shown(digest: bytes) -> str:
        return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()

    body = shown(hashlib.new(algorithm, b"body").digest())
    message = f"POST\napi.example.com\n/v1/x\n{BASE}/x?a=b\n{body}\nonce\n{{}}"
    wanted = hmac.new(raw, message.encode(), algorithm).digest()
    assert signed.headers == {"X-Sign": f"v1={shown(wanted)}"}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("epoch", "1736935200"),
        ("epoch_ms", "1736935200250"),
        ("iso", "2025-01-15T10:00:00Z"),
        ("http", "Wed, 15 Jan 2025 10:00:00 GMT"),
    ],
)
def test_each_form_of_a_timestamp(form: Any, text: str) -> None:
    auth = HmacAuth(
        secret=Secret("s"),
        sign="",
        timestamp=form,
        headers={"T": "{timestamp}", "S": "{signature}"},
    )
    clock = ManualClock(start=datetime(2025, 1, 15, 10, 0, 0, 250_000, tzinfo=UTC))
    assert signature_of(auth, outgoing(), clock, "n").headers["T"] == text


@pytest.mark.asyncio
async def test_what_is_signed_is_what_is_sent_each_time_anew(workers: Workers) -> None:
    clock = ManualClock()
    auth = HmacAuth(
        secret=Secret("s"),
        sign="{nonce} {timestamp} {url}",
        headers={"X-Nonce": "{nonce}", "X-Time": "{timestamp}", "X-Sign": "{signature}"},
        params={"at": "{timestamp}"},
    )
    api = Api(name="shop", base_url=BASE, auth=auth)
    credentials = Credentials(api, KeyedHash(auth, resources(clock, workers)), clock=clock)
    await credentials.ready(Asked(Issuer(clock)), workers)
    nonces = set()
    # Written in every way that a parser might write anew.
    for path in ("/x", "/x?a=b%20c", "/x?a=b+c&d=é&e='", "/%7Ex/ä?q=%2f%2F"):
        await clock.advance(1)
        request = credentials.request("GET", httpx.URL(f"{BASE}{path}"), None)
        sent = request.headers
        message = f"{sent['x-nonce']} {sent['x-time']} {request.url}"
        assert sent["x-sign"] == hmac.new(b"s", message.encode(), "sha256").hexdigest()
        assert str(request.url).endswith(f"at={int(clock.now().timestamp())}")
        nonces.add(sent["x-nonce"])
    assert len(nonces) == 4
    away = credentials.request("GET", httpx.URL("https://elsewhere.example.com/x"), None)
    assert not {"x-sign", "x-nonce"} & away.headers.keys()
    assert str(away.url) == "https://elsewhere.example.com/x"


@pytest.mark.asyncio
async def test_a_key_that_was_rotated_is_read_again_after_a_401(workers: Workers) -> None:
    texts = iter(("old", "new"))
    secret = Secret("old", lambda: next(texts))
    auth = HmacAuth(secret=secret, sign="", headers={"S": "{signature}"})
    keyed = KeyedHash(auth, resources(ManualClock(), workers))
    exchange = Asked(Issuer(ManualClock()))
    first = await keyed.credential(None, exchange)
    assert await keyed.credential(first, exchange) is first  # the file has not changed
    second = await keyed.credential(first, exchange)
    assert second is not first
    assert second.sign is not None
    assert second.sign(outgoing()).headers["S"] == hmac.new(b"new", b"", "sha256").hexdigest()


# AWS Signature Version 4


SUITE = "https://example.amazonaws.com"
KEYS = ("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))


async def sigv4(workers: Workers, **more: Any) -> SigV4:
    values = {"service": "service", "region": "us-east-1"}
    keys = {"access_key_id": KEYS[0], "secret_access_key": KEYS[1]}
    clock = ManualClock(start=datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    config = SigV4Auth(**{**values, **keys, **more})
    return SigV4(config, resources(clock, workers))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
)
async def test_the_test_suite_of_aws(
    workers: Workers, method: str, path: str, signature: str
) -> None:
    """get-vanilla, post-vanilla and get-vanilla-query-order-key-case of AWS's suite."""
    signer = await sigv4(workers)
    credential = await signer.credential(None, Asked(Issuer(ManualClock())))
    assert credential.sign is not None
    asked = outgoing(method=method, url=f"{SUITE}{path}", host="example.amazonaws.com")
    assert credential.sign(asked).headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature={signature}"
        ),
    }


@pytest.mark.asyncio
async def test_a_session_token_and_the_hash_that_s3_wants_are_sent_and_signed(
    workers: Workers,
) -> None:
    signer = await sigv4(workers, service="s3", session_token=Secret("session"))
    credential = await signer.credential(None, Asked(Issuer(ManualClock())))
    assert credential.sign is not None
    headers = credential.sign(
        outgoing(method="POST", body=b"x", headers={"content-type": "application/json"})
    ).headers
    assert headers["X-Amz-Security-Token"] == "session"
    assert headers["X-Amz-Content-SHA256"] == hashlib.sha256(b"x").hexdigest()
    assert (
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
        in headers["Authorization"]
    )
    assert set(credential.secrets) == {KEYS[1].reveal(), "session"}


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing that could give keys; returns where ~/.aws/credentials may be."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "credentials"


def profile(name: str, key: str, secret: str) -> str:
    return f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


NONE = {"access_key_id": None, "secret_access_key": None}


@pytest.mark.asyncio
async def test_keys_of_the_chain_are_asked_for_again_and_read_anew_when_refused(
    workers: Workers, no_keys: Path
) -> None:
    write(no_keys, profile("default", "A1", "one") + profile("other", "B1", "two"))
    exchange = Asked(Issuer(ManualClock()))
    signer = await sigv4(workers, **NONE)
    first = await signer.credential(None, exchange)
    assert first.secrets == ("one",)
    assert first.expires_at == datetime(2015, 8, 30, 12, 41, tzinfo=UTC)
    assert await signer.credential(first, exchange) is first
    write(no_keys, profile("default", "A2", "three"))
    second = await signer.credential(first, exchange)
    assert second.secrets == ("three",)


@pytest.mark.asyncio
async def test_a_profile_is_the_one_that_is_named(workers: Workers, no_keys: Path) -> None:
    write(no_keys, profile("other", "B1", "two"))
    signer = await sigv4(workers, **NONE, profile="other")
    credential = await signer.credential(None, Asked(Issuer(ManualClock())))
    assert credential.secrets == ("two",)
    missing = await sigv4(workers, **NONE, profile="nobody")
    with pytest.raises(AuthError, match=r"no AWS credentials \(ProfileNotFound\)"):
        await missing.credential(None, Asked(Issuer(ManualClock())))


@pytest.mark.asyncio
async def test_without_any_keys_the_error_names_where_to_put_them(
    workers: Workers,
    no_keys: Path,  # noqa: ARG001  # there are none
) -> None:
    signer = await sigv4(workers, **NONE)
    with pytest.raises(AuthError, match=r"\[apis\.shop\.auth\].*AWS_ACCESS_KEY_ID"):
        await signer.credential(None, Asked(Issuer(ManualClock())))
