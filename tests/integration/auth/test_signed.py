"""Signatures that a server checks: over what it received, in every attempt and after redirects."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from bronze_engine.config.auths.signing import HmacAuth
from bronze_engine.config.auths.signing import SigV4Auth as SigV4Config
from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.token_server import rows
from tests.integration.http_server import Opened, Seen, Server, answer, opened, serve

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

KEYED = HmacAuth(
    key=Secret("me"),
    secret=Secret("s"),
    sign="{method} {target} {timestamp} {nonce} {body_hash}",
    headers={"X-Sign": "{signature}", "X-Time": "{timestamp}", "X-Nonce": "{nonce}"},
    params={"key": "{key}"},
)
SIGNED = SigV4Config(
    service="execute-api",
    region="eu-central-1",
    access_key_id="AKID",
    secret_access_key=Secret("s"),
    session_token=Secret("session"),
)


def is_keyed(seen: Seen) -> bool:
    """By hand, over the bytes that came."""
    body = hashlib.sha256(seen.body).hexdigest()
    time, nonce = seen.headers["x-time"], seen.headers["x-nonce"]
    message = f"{seen.method} {seen.target} {time} {nonce} {body}"
    wanted = hmac.new(b"s", message.encode(), hashlib.sha256).hexdigest()
    return seen.headers["x-sign"] == wanted and seen.query["key"] == "me"


def is_signed(seen: Seen) -> bool:
    """By botocore, given the request as it came."""
    request = AWSRequest(
        method=seen.method, url=f"http://{seen.headers['host']}{seen.target}", data=seen.body
    )
    names = seen.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    for name in names.split(";"):
        request.headers[name] = seen.headers[name]
    request.context["timestamp"] = seen.headers["x-amz-date"]
    keys = ReadOnlyCredentials("AKID", "s", "session")
    signer = SigV4Auth(keys, "execute-api", "eu-central-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    wanted = signer.signature(text, request)
    return bool(seen.headers["authorization"].endswith(f"Signature={wanted}"))


@asynccontextmanager
async def signing(
    auth: Any, is_right: Any, **source: Any
) -> AsyncIterator[tuple[Opened, Server, ManualClock]]:
    """An API that stumbles once at page 2, and redirects page 3 once."""
    clock = ManualClock(start=datetime(2025, 1, 15, 10, tzinfo=UTC))
    stumbled = False

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        nonlocal stumbled
        if not is_right(seen):
            return answer({"error": "the signature is wrong"}, status=401)
        page = int(seen.query["page"])
        if page == 2 and not stumbled:
            stumbled = True
            return answer({"error": "busy"}, status=500)
        if page == 3 and seen.path == "/x":
            key = seen.query.get("key", "")
            there = {"Location": f"/moved%20to/y?page=3&note=%C3%A9%20%2B&key={key}"}
            return answer(body=b"", status=307, headers=there)
        return answer([{"id": page}] if page <= 3 else [])

    async with (
        serve(handle) as server,
        opened(server, api={"auth": auth}, clock=clock, paginator=PagePaginator(), **source) as one,
    ):
        yield one, server, clock


@pytest.mark.parametrize(("auth", "is_right"), [(KEYED, is_keyed), (SIGNED, is_signed)])
@pytest.mark.parametrize(
    "source",
    [
        {},
        {"params": {"q": "a b+c&d=é/~'(*)", "empty": "", "many": ["2", "1"]}},
        {"method": "POST", "json": {"size": "1", "text": "é"}},
    ],
)
async def test_what_is_signed_is_what_came(
    auth: Any, is_right: Any, source: dict[str, Any]
) -> None:
    async with signing(auth, is_right, **source) as (one, server, _):
        assert await one.read() == rows(3)
    assert [seen.path for seen in server.seen].count("/moved%20to/y") == 1


async def test_each_attempt_is_signed_anew() -> None:
    async with signing(KEYED, is_keyed) as (one, server, clock):
        await one.read()
        assert clock.monotonic() > 0  # the wait before the second attempt
    nonces = [seen.headers["x-nonce"] for seen in server.seen]
    assert len(set(nonces)) == len(nonces) == 6
    second = [seen.headers["x-time"] for seen in server.seen if seen.query["page"] == "2"]
    assert len(second) == 2


async def test_the_timestamp_is_that_of_the_engines_clock() -> None:
    async with signing(SIGNED, is_signed) as (one, server, clock):
        first = clock.now()
        await one.read()
    assert server.seen[0].headers["x-amz-date"] == first.strftime(SIGV4_TIMESTAMP)


async def test_a_wrong_signature_is_refused_once_and_told() -> None:
    async with signing(KEYED, lambda _: False) as (one, server, _):
        with pytest.raises(AuthError, match="the signature is wrong"):
            await one.read()
    assert len(server.seen) == 1
