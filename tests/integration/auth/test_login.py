"""A login of the API's own: what is sent, where the token is, when it expires."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bronze_engine.config.auths.auth import LoginAuth
from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.token_server import rows
from tests.integration.http_server import Opened, Seen, Server, answer, opened, serve

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


def login(**more: Any) -> LoginAuth:
    return LoginAuth(**{"path": "/login", "token_path": "data.token", **more})


@asynccontextmanager
async def logged_in(
    auth: LoginAuth, reply: Any, *, status: int = 200
) -> AsyncIterator[tuple[Opened, Server, ManualClock]]:
    clock = ManualClock()

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/login":
            return answer(reply(clock) if callable(reply) else reply, status=status)
        sent = seen.headers.get("authorization") or seen.query.get("session", "")
        if "t-1" not in sent:
            return answer({"error": "who?"}, status=401)
        page = int(seen.query.get("page", "1"))
        return answer([{"id": page}] if page <= 3 else [])

    async with (
        serve(handle) as server,
        opened(server, api={"auth": auth}, clock=clock, paginator=PagePaginator()) as source,
    ):
        yield source, server, clock


TOKEN = {"data": {"token": "t-1"}}


async def test_a_login_sends_json_and_its_token_is_used() -> None:
    auth = login(json={"user": "me", "nested": {"password": "p"}})
    async with logged_in(auth, TOKEN) as (source, server, _):
        assert await source.read() == rows(3)
    asked, *pages = server.seen
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(asked.body) == {"user": "me", "nested": {"password": "p"}}
    assert {page.headers["authorization"] for page in pages} == {"Bearer t-1"}


async def test_a_login_sends_a_form_or_a_query() -> None:
    params = {"user": Secret("me"), "password": Secret("p&q")}
    async with logged_in(login(params=params), TOKEN) as (source, server, _):
        await source.read()
    assert server.seen[0].body == b"user=me&password=p%26q"
    auth = login(method="GET", params=params, location="query", name="session")
    async with logged_in(auth, TOKEN) as (source, server, _):
        await source.read()
    assert (server.seen[0].method, server.seen[0].query["password"]) == ("GET", "p&q")
    assert {page.query["session"] for page in server.seen[1:]} == {"t-1"}


EXPIRES: dict[str, Any] = {
    "seconds": lambda _: 100,
    "text": lambda _: "100",
    "epoch": lambda clock: int(clock.now().timestamp()) + 100,
    "milliseconds": lambda clock: int(clock.now().timestamp() * 1000) + 100_000,
    "ISO": lambda _: "2025-01-15T00:01:40Z",
    "ISO without zone": lambda _: "2025-01-15T00:01:40",
}


@pytest.mark.parametrize("form", EXPIRES)
async def test_a_login_expires_when_its_answer_says(form: str) -> None:
    def reply(clock: ManualClock) -> Any:
        return {"data": {"token": "t-1", "until": EXPIRES[form](clock)}}

    async with logged_in(login(expires_path="data.until"), reply) as (source, server, clock):
        await source._read()
        for seconds, logins in ((85.0, 1), (6.0, 2)):
            await clock.advance(seconds)
            await source.source.check()
            assert sum(seen.path == "/login" for seen in server.seen) == logins


@pytest.mark.parametrize(
    ("reply", "status", "says"),
    [
        ({"message": "wrong password"}, 403, "refused with 403: wrong password"),
        ({"data": {"key": "x"}}, 200, "holds no token at token_path 'data.token'; there are: data"),
        ([], 200, "holds no token"),
        ({"data": {"token": ""}}, 200, "holds no token"),
    ],
)
async def test_a_login_that_fails_says_why(reply: Any, status: int, says: str) -> None:
    async with logged_in(login(), reply, status=status) as (source, server, _):
        with pytest.raises(AuthError) as caught:
            await source.read()
    assert says in str(caught.value)
    assert f"POST {server.url}/login" in str(caught.value)
