"""A login of the API's own: what is sent, where the token is, when it expires."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
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
    auth: LoginAuth,
    reply: Any,
    *,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (),
    sent_in: str = "authorization",
) -> AsyncIterator[tuple[Opened, Server, ManualClock]]:
    clock = ManualClock()

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/login":
            body = reply(clock) if callable(reply) else reply
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            whole = answer(body=content, status=status)
            more = "".join(f"{name}: {value}\r\n" for name, value in headers)
            return whole.replace(b"\r\n", f"\r\n{more}".encode(), 1)
        sent = seen.headers.get(sent_in) or seen.query.get("session", "")
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


@pytest.mark.parametrize(
    ("reply", "more", "headers"),
    [
        ("t-1", {"token_path": "$"}, ()),  # Magento
        (b"t-1\n", {"token_path": "$"}, ()),
        (
            b"",
            {"token_path": None, "token_header": "X-Subject-Token"},
            [("x-subject-token", "t-1")],
        ),
    ],
)
async def test_the_token_may_be_the_body_or_a_header_of_the_answer(
    reply: Any, more: dict[str, Any], headers: Sequence[tuple[str, str]]
) -> None:
    async with logged_in(login(**more), reply, headers=headers) as (source, server, _):
        assert await source.read() == rows(3)
    assert {page.headers["authorization"] for page in server.seen[1:]} == {"Bearer t-1"}


COOKIES = [
    ("Set-Cookie", "B1SESSION=t-1; Path=/b1s; HttpOnly; Expires=Wed, 21 Oct 2065 07:28:00 GMT"),
    ("Set-Cookie", "ROUTEID=.node=2; path=/; Max-Age=100"),
    ("Set-Cookie", "old=; Max-Age=0"),
]


async def test_the_cookies_of_a_login_go_with_each_request_until_the_first_expires() -> None:
    auth = LoginAuth(path="/login", cookies=True)
    async with logged_in(auth, b"", headers=COOKIES, sent_in="cookie") as (source, server, clock):
        await source._read()
        assert source.records == rows(3)
        await clock.advance(91.0)
        await source.source.check()
    pages = [seen for seen in server.seen if seen.path != "/login"]
    assert {page.headers["cookie"] for page in pages} == {"B1SESSION=t-1; ROUTEID=.node=2"}
    assert not any("authorization" in page.headers for page in pages)
    assert len(server.seen) - len(pages) == 2


async def test_a_token_goes_beside_the_cookies() -> None:
    async with logged_in(login(cookies=True), TOKEN, headers=COOKIES) as (source, server, _):
        assert await source.read() == rows(3)
    sent = server.seen[1].headers
    assert (sent["authorization"], sent["cookie"][:13]) == ("Bearer t-1", "B1SESSION=t-1")


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


@pytest.mark.parametrize(
    ("reply", "more", "says"),
    [
        ("t-1", {}, 'token_path = "$" takes the text that it is'),
        (b"<html>", {}, "whether the token is the whole body"),
        ({}, {"token_path": None, "token_header": "X-Token"}, "no token in the header 'X-Token'"),
        ({}, {"token_path": None, "cookies": True}, "its answer sets no cookie; check params"),
    ],
)
async def test_a_token_that_is_elsewhere_is_looked_for_in_vain(
    reply: Any, more: dict[str, Any], says: str
) -> None:
    async with logged_in(login(**more), reply) as (source, _, _):
        with pytest.raises(AuthError) as caught:
            await source.read()
    assert says in str(caught.value)
