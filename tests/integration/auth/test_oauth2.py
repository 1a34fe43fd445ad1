"""Tokens on the wire: one renewal for all, before they expire, under the API's limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.auths.oauth2 import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth
from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, ExtractError, RetryError
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.token_server import TokenServer, rows
from tests.integration.http_server import ONCE, Opened, Seen, Server, answer, opened, serve
from tests.issuer import CLIENT, Issuer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


def client_credentials(server: Server | str, **more: Any) -> OAuth2ClientCredentialsAuth:
    url = server if isinstance(server, str) else server.url
    return OAuth2ClientCredentialsAuth(
        token_url=f"{url}/token", client_id=CLIENT[0], client_secret=Secret(CLIENT[1]), **more
    )


def refresh_token(server: Server, path: Path, **more: Any) -> OAuth2RefreshTokenAuth:
    return OAuth2RefreshTokenAuth(
        token_url=f"{server.url}/token",
        client_id=CLIENT[0],
        client_secret=Secret(CLIENT[1]),
        refresh_token=Secret("seed"),
        token_store=str(path / "tokens.json"),
        **more,
    )


@asynccontextmanager
async def reading(server: Server, auth: Any, issuer: Issuer, **more: Any) -> AsyncIterator[Opened]:
    api = {"auth": auth, **more.pop("api", {})}
    paginator = PagePaginator(**more.pop("paginator", {}))
    async with opened(server, api=api, clock=issuer.clock, paginator=paginator, **more) as source:
        yield source


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


async def test_fifty_requests_that_are_refused_together_renew_once() -> None:
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer, pages=60)
    handler.gate = 50
    async with serve(handler) as server:
        auth = client_credentials(server)
        paginator = {"parallel": 50}
        api = {"concurrency": 50}
        async with reading(server, auth, issuer, api=api, paginator=paginator) as source:

            def revoke(page: int) -> None:
                if page == 2:
                    issuer.revoke_access()
                    handler.on_page = lambda _: None

            handler.on_page = revoke
            assert await source.read() == rows(60)
    refused = [token for token, is_in in handler.judged if not is_in]
    assert len(refused) >= 50
    assert set(refused) == {"Bearer access-1"}
    assert len(issuer.forms) == 2


async def test_fifty_requests_whose_renewal_is_refused_ask_once() -> None:
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer, pages=60)
    handler.gate = 50
    async with serve(handler) as server:
        api = {"concurrency": 50}
        paginator = {"parallel": 50}
        auth = client_credentials(server)
        async with reading(server, auth, issuer, api=api, paginator=paginator) as source:

            def revoke(page: int) -> None:
                if page > 1:
                    issuer.revoke_access()
                    handler.faults = [answer({"error": "invalid_client"}, status=401)] * 99

            handler.on_page = revoke
            with pytest.raises(AuthError, match="check client_id"):
                await source.read()
    # One more where a page was refused only after the first had failed.
    assert [seen.path for seen in server.seen].count("/token") in (2, 3)


async def test_a_renewal_needs_no_second_slot_of_the_api() -> None:
    """With one slot, a renewal that waited for another would wait for ever."""
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer)
    async with serve(handler) as server:
        auth = client_credentials(server)
        async with reading(server, auth, issuer, api={"concurrency": 1}) as source:

            def once(page: int) -> None:
                if page == 2:
                    handler.on_page = lambda _: None
                    issuer.revoke_access()

            handler.on_page = once
            assert await source.read() == rows(3)
    assert len(issuer.forms) == 2


@pytest.mark.parametrize(("lifetime", "early"), [(3600, 60), (100, 10)])
async def test_a_token_is_renewed_before_it_expires(lifetime: int, early: int) -> None:
    clock = ManualClock()
    issuer = Issuer(clock, lifetime_seconds=lifetime)
    handler = TokenServer(issuer)
    async with (
        serve(handler) as server,
        reading(server, client_credentials(server), issuer) as source,
    ):
        for seconds in (0, lifetime - early - 1, 2):
            await clock.advance(seconds)
            await source.source.check()
    tokens = ["Bearer access-1", "Bearer access-1", "Bearer access-2"]
    assert handler.judged == [(token, True) for token in tokens]


@pytest.mark.parametrize("told", [None, "3600", 3600.5, -1, 0, "soon", True, [1]])
async def test_any_expires_in_will_do(told: Any) -> None:
    issuer = Issuer(ManualClock(), lifetime_seconds=told)
    async with (
        serve(TokenServer(issuer)) as server,
        reading(server, client_credentials(server), issuer) as source,
    ):
        assert await source.read() == rows(3)
    assert len(issuer.forms) == 1


async def test_a_token_that_is_refused_at_once_is_renewed_once_and_then_the_error() -> None:
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer)

    async def refuse(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            issuer.revoke_access()
        return await handler(seen, writer)

    async with (
        serve(refuse) as server,
        reading(server, client_credentials(server), issuer) as source,
    ):
        with pytest.raises(AuthError, match="refused with 401") as caught:
            await source.read()
    assert len(issuer.forms) == len(handler.judged) == 2
    assert "access-2" not in str(caught.value)  # the server repeats it


@pytest.mark.parametrize("refusals", [2, 3, 9])
async def test_a_token_that_expires_while_its_request_waits_is_renewed_again(
    refusals: int,
) -> None:
    tokens = 0
    states = ["refused", *["paused", "refused"] * (refusals - 1)]

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        nonlocal tokens
        if seen.path == "/token":
            tokens += 1
            return answer({"access_token": f"t{tokens}"})
        state = states.pop(0) if states else "read"
        if state == "read":
            return answer([] if seen.query.get("page") != "1" else [{"id": 1}])
        if state == "paused":
            return answer({}, status=429, headers={"Retry-After": "20"})
        return answer({}, status=401)

    async with serve(handle) as server:
        auth = client_credentials(server)
        async with reading(server, auth, Issuer(ManualClock()), records=None) as source:
            if refusals < 9:
                assert await source.read() == [{"id": 1}]
                assert tokens == refusals + 1
                return
            with pytest.raises(AuthError, match="refused with 401"):
                await source.read()
            assert tokens == 6, "it does not go on for ever"


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


# Refresh tokens, over a file


async def test_rotated_tokens_outlive_the_process(tmp_path: Path) -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        auth = refresh_token(server, tmp_path)
        for _ in range(3):
            async with reading(server, auth, issuer) as source:
                assert await source.read() == rows(3)
            issuer.revoke_access()
    assert [form["refresh_token"] for form in issuer.forms] == ["seed", "refresh-1", "refresh-2"]
    assert json.loads((tmp_path / "tokens.json").read_text())["refresh_token"] == "refresh-3"


async def test_engines_that_share_a_token_store_use_no_token_twice(tmp_path: Path) -> None:
    """Two runs in flight, refused together again and again: reuse would revoke everything."""
    clock = ManualClock()
    issuer = Issuer(clock)
    handler = TokenServer(issuer, pages=12)

    done: set[int] = set()

    def revoke(page: int) -> None:
        if page % 3 == 0 and page not in done:
            done.add(page)
            issuer.revoke_access()

    handler.on_page = revoke
    async with serve(handler) as server:
        auth = refresh_token(server, tmp_path)
        async with reading(server, auth, issuer) as one, reading(server, auth, issuer) as two:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one._read()), group.create_task(two._read())]
                group.create_task(clock.drive(_ended(tasks)))
            assert one.records == two.records == rows(12)
    assert not issuer.is_revoked
    assert len(issuer.forms) == len(issuer.granted)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def test_a_stored_token_that_was_replaced_meanwhile_is_looked_into_once_more(
    tmp_path: Path,
) -> None:
    issuer = Issuer(ManualClock())
    async with serve(TokenServer(issuer)) as server:
        auth = refresh_token(server, tmp_path)
        async with reading(server, auth, issuer) as mine, reading(server, auth, issuer) as other:
            await mine.source.check()
            issuer.revoke_access()
            await other.source.check()  # refused, exchanged, stored: access-2
            issuer.revoke_access()
            await mine.source.check()  # refused, found access-2, refused, exchanged
    assert [seen.headers["authorization"] for seen in server.seen if seen.path == "/x"] == [
        "Bearer access-1",
        "Bearer access-1",
        "Bearer access-2",
        "Bearer access-1",
        "Bearer access-2",
        "Bearer access-3",
    ]


async def test_a_public_client_sends_no_secret(tmp_path: Path) -> None:
    issuer = Issuer(ManualClock())
    handler = TokenServer(issuer)
    forms: list[dict[str, str]] = []

    async def lenient(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        if seen.path == "/token":
            forms.append(dict(parse_qsl(seen.body.decode())))
            status, body = issuer.answer({**forms[-1], "client_secret": CLIENT[1]})
            return answer(body, status=status)
        return await handler(seen, writer)

    async with serve(lenient) as server:
        auth = OAuth2RefreshTokenAuth(
            token_url=f"{server.url}/token",
            client_id=CLIENT[0],
            refresh_token=Secret("seed"),
            token_store=str(tmp_path / "tokens.json"),
            scope="offline",
            params={"tenant": Secret("t")},
        )
        async with reading(server, auth, issuer) as source:
            assert await source.read() == rows(3)
    assert forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "seed",
            "scope": "offline",
            "client_id": CLIENT[0],
            "tenant": "t",
        }
    ]


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
