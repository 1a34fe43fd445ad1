"""Tokens of a token endpoint: asked for as it wants it, sent as the API does; and refused ones."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.auths.oauth2 import OAuth2ClientCredentialsAuth
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, ExtractError, RetryError
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.reading import client_credentials, reading
from tests.integration.auth.token_server import TokenServer, rows
from tests.integration.http_server import ONCE, Seen, answer, serve
from tests.issuer import CLIENT, Issuer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


@pytest.mark.parametrize("credentials_in", ["body", "header"])
async def test_a_client_proves_itself_and_reads(credentials_in: Any) -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        auth = client_credentials(
            server,
            credentials_in=credentials_in,
            scope="orders.read",
            audience="https://api.example.com",
            params={"tenant": Secret("t 1&2")},
        )
        async with reading(server, auth, issuer) as source:
            assert await source.read() == rows(3)
            # One for the token, three pages and an empty one.
            assert (source.tally.requests, source.tally.retries) == (5, 0)
    form = issuer.forms[0]
    sent = {"client_id", "client_secret"} & form.keys()
    assert bool(sent) == (credentials_in == "body")
    assert form["grant_type"] == "client_credentials"
    assert (form["scope"], form["audience"]) == ("orders.read", "https://api.example.com")
    assert form["tenant"] == "t 1&2"
    asked, *pages = server.seen
    assert asked.headers["accept"] == "application/json"
    assert {page.headers["authorization"] for page in pages} == {"Bearer access-1"}
    assert not any(CLIENT[1].encode() in page.raw for page in pages)


async def test_a_server_may_have_a_grant_of_its_own() -> None:
    bodies: list[bytes] = []

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/token":
            bodies.append(seen.body)
            return answer({"access_token": "t"})
        return answer([] if seen.query.get("page") != "1" else [{"id": 1}])

    async with serve(handle) as server:
        auth = client_credentials(
            server,
            credentials_in="header",
            grant_type="account_credentials",
            params={"account_id": Secret("a 7")},
        )
        async with reading(server, auth, Issuer(ManualClock()), records=None) as source:
            assert await source.read() == [{"id": 1}]
    assert [dict(parse_qsl(body.decode())) for body in bodies] == [
        {"grant_type": "account_credentials", "account_id": "a 7"}
    ]


async def test_requests_for_tokens_are_retried_and_paused_as_all_others() -> None:
    clock = ManualClock()
    issuer = Issuer(clock)
    handler = TokenServer(issuer)
    handler.faults = [
        answer({"error": "busy"}, status=503),
        answer({"error": "slow down"}, status=429, headers={"Retry-After": "7"}),
    ]
    async with (
        serve(handler) as server,
        reading(server, client_credentials(server), issuer) as source,
    ):
        assert await source.read() == rows(3)
        assert (source.tally.requests, source.tally.retries) == (7, 2)
    assert clock.monotonic() >= 7.5


async def test_a_token_endpoint_that_stays_away_is_a_retry_error() -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        auth = client_credentials("http://127.0.0.1:1")
        async with reading(server, auth, issuer) as source:
            with pytest.raises(RetryError, match=r"POST http://127\.0\.0\.1:1/token for a token"):
                await source.read()
    assert server.seen == []


REFUSALS: dict[str, tuple[Any, int, str]] = {
    "wrong client": ({"error": "invalid_client"}, 401, "check client_id, client_secret"),
    "wrong scope": ({"error": "invalid_scope"}, 400, "check scope"),
    "said with 200": ({"error": "bad_verification_code"}, 200, "bad_verification_code"),
    "no token": ({"token": "x"}, 200, "holds no access_token (token)"),
    "HTML": ("<html>", 200, "holds no access_token"),
    "not found": ({"message": "no such path"}, 404, "refused with 404: no such path"),
}


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_refusal_says_what_to_do(why: str) -> None:
    body, status, says = REFUSALS[why]
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer)
    handler.faults = [answer(body, status=status)]
    async with (
        serve(handler) as server,
        reading(server, client_credentials(server), issuer) as source,
    ):
        with pytest.raises(AuthError) as caught:
            await source.read()
    assert says in str(caught.value)
    assert "[apis.shop.auth]" in str(caught.value)
    assert len(server.seen) == 1  # it is not tried again


async def test_what_a_refusal_repeats_of_us_is_masked() -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        auth = OAuth2ClientCredentialsAuth(
            token_url=f"{server.url}/token", client_id="other", client_secret=Secret("canary/1")
        )
        async with reading(server, auth, issuer) as source:
            with pytest.raises(AuthError, match="invalid_client") as caught:
                await source.read()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_request_for_a_token_follows_no_redirect(status: int) -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as elsewhere:
        handler = TokenServer(issuer)
        there = {"Location": f"{elsewhere.url}/token"}
        handler.faults = [answer(body=b"", status=status, headers=there)]
        async with (
            serve(handler) as server,
            reading(server, client_credentials(server), issuer) as source,
        ):
            with pytest.raises(ExtractError, match="would carry its secrets along"):
                await source.read()
        assert elsewhere.seen == []


async def test_secrets_go_to_the_token_url_and_the_token_to_the_api_alone() -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as login, serve(TokenServer(issuer)) as server:
        async with serve(TokenServer(issuer)) as other:
            handler = server.handler

            async def lead_away(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
                if seen.query.get("page") == "2":
                    return answer(body=b"", status=302, headers={"Location": f"{other.url}/x"})
                return await handler(seen, writer)

            server.handler = lead_away
            api = {"headers": {"X-Tenant": Secret("of the API")}}
            auth = client_credentials(login)
            async with reading(server, auth, issuer, api=api) as source:
                with pytest.raises(AuthError):
                    await source.read()
        assert [seen.headers.get("authorization") for seen in other.seen] == [None]
    assert [seen.path for seen in login.seen] == ["/token"]
    assert "x-tenant" not in login.seen[0].headers
    assert {seen.path for seen in server.seen} == {"/x"}


async def test_headers_of_the_api_go_with_a_request_for_a_token_at_its_own_origin() -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        api = {"headers": {"X-Tenant": Secret("of the API")}}
        async with reading(server, client_credentials(server), issuer, api=api) as source:
            await source.read()
    assert server.seen[0].headers["x-tenant"] == "of the API"


@pytest.mark.parametrize(
    ("name", "prefix", "sent"),
    [("X-Token", "", "access-1"), ("Authorization", "Token", "Token access-1")],
)
async def test_the_token_is_sent_as_the_api_wants_it(name: str, prefix: str, sent: str) -> None:
    issuer = Issuer(ManualClock())
    seen_headers: list[str] = []
    handler = TokenServer(issuer)

    async def translate(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            seen_headers.append(seen.headers[name.lower()])
            seen.headers["authorization"] = f"Bearer {seen_headers[-1].split()[-1]}"
        return await handler(seen, writer)

    async with serve(translate) as server:
        auth = client_credentials(server, name=name, prefix=prefix)
        async with reading(server, auth, issuer) as source:
            assert await source.read() == rows(3)
    assert set(seen_headers) == {sent}


async def test_check_asks_for_a_token_and_says_what_was_refused() -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        async with reading(server, client_credentials(server), issuer) as source:
            assert "answers 200 with 1 records" in await source.source.check()
        wrong = OAuth2ClientCredentialsAuth(
            token_url=f"{server.url}/token", client_id="x", client_secret=Secret("y")
        )
        async with reading(server, wrong, issuer) as source:
            with pytest.raises(AuthError, match="check client_id"):
                await source.source.check()


async def test_a_bearer_token_of_the_table_is_sent_without_asking() -> None:
    issuer = Issuer(ManualClock())
    issuer.answer(
        {"grant_type": "client_credentials", "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    )
    async with serve(TokenServer(issuer)) as server:
        auth = BearerAuth(token=Secret("access-1"))
        api = {"retry": ONCE}
        async with reading(server, auth, issuer, api=api) as source:
            assert await source.read() == rows(3)
    assert {seen.path for seen in server.seen} == {"/x"}
