"""Tokens renewed: once for all that are refused, before they expire, under the API's limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bronze_engine.errors import AuthError
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.reading import client_credentials, reading
from tests.integration.auth.token_server import TokenServer, rows
from tests.integration.http_server import Seen, answer, serve
from tests.issuer import Issuer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


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
