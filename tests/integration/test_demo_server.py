"""The demo's server over real sockets: every endpoint, every credential, every fault."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import anyio
import msgspec
import psutil
import pytest

from bronze_engine.demo.api import API_KEY, BASIC_PASSWORD, BASIC_USER, BEARER_TOKEN
from bronze_engine.demo.data import orders
from bronze_engine.demo.process import DemoServer

pytestmark = pytest.mark.integration

BEARER = {"Authorization": f"Bearer {BEARER_TOKEN}"}
RECORDS = 250


def basic(password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{BASIC_USER}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@asynccontextmanager
async def client(
    headers: dict[str, str] = BEARER, **server: Any
) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        DemoServer(records=RECORDS, **server) as url,
        aiohttp.ClientSession(url, headers=headers) as session,
    ):
        yield session


async def page(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return msgspec.json.decode(await answer.read())


def ids(records: list[dict[str, Any]]) -> list[int]:
    return [record["id"] for record in records]


@pytest.mark.asyncio
async def test_every_way_of_paging_yields_the_same_records() -> None:
    async with client() as session:
        numbered = []
        for number in (1, 2, 3, 4):
            body = await page(session, f"/orders?page={number}&page_size=100")
            assert body["total"] == RECORDS
            numbered += ids(body["data"])

        offset: list[int] = []
        while len(offset) < RECORDS:
            body = await page(session, f"/orders-offset?offset={len(offset)}&limit=70")
            offset += ids(body["data"])

        by_cursor: list[int] = []
        query: str | None = ""
        while query is not None:
            body = await page(session, f"/orders-cursor?page_size=99{query}")
            by_cursor += ids(body["data"])
            query = f"&cursor={body['next']}" if body["next"] else None

        by_url: list[int] = []
        url: str | None = "/orders-next?page_size=125"
        while url is not None:
            body = await page(session, url)
            by_url += ids(body["data"])
            url = body["links"]["next"]

        linked, link = [], "/orders-link?page_size=100"
        while link:
            async with session.get(link) as answer:
                linked += ids(msgspec.json.decode(await answer.read()))
                link = str(answer.links["next"]["url"]) if "next" in answer.links else ""

        by_header: list[int] = []
        token: str | None = ""
        while token is not None:
            cursor = f"&cursor={token}" if token else ""
            async with session.get(f"/orders-header?page_size=99{cursor}") as answer:
                by_header += ids(msgspec.json.decode(await answer.read())["data"])
                token = answer.headers.get("X-Next-Cursor")

        by_key: list[int] = []
        more = True
        while more:
            after = f"&after={by_key[-1]}" if by_key else ""
            body = await page(session, f"/orders-keyset?page_size=99{after}")
            by_key += ids(body["data"])
            more = body["has_more"]

        connected: list[int] = []
        info: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while info["hasNextPage"]:
            variables = {"after": info["endCursor"], "first": 99}
            request = {"query": "{ orders { nodes { id } } }", "variables": variables}
            async with session.post("/graphql", json=request) as answer:
                orders = msgspec.json.decode(await answer.read())["data"]["orders"]
            connected += ids(orders["nodes"])
            info = orders["pageInfo"]

    expected = list(range(1, RECORDS + 1))
    assert numbered == offset == by_cursor == by_url == linked == expected
    assert by_header == by_key == connected == expected


@pytest.mark.asyncio
async def test_graphql_says_what_is_wrong() -> None:
    async with client() as session:
        async with session.post("/graphql", json={"query": "{ users }"}) as answer:
            assert answer.status == 200
            body = msgspec.json.decode(await answer.read())
            assert body["errors"][0]["message"] == "only orders can be asked for"
        async with session.post("/graphql", data=b"no JSON") as answer:
            assert answer.status == 400


@pytest.mark.asyncio
async def test_since_keeps_later_updates_on_every_endpoint() -> None:
    async with client() as session:
        everything = (await page(session, "/orders?page_size=1000"))["data"]
        since = everything[199]["updated_at"]
        for path in ("/orders", "/orders-offset", "/orders-cursor", "/orders-next"):
            body = await page(session, f"{path}?since={since}")
            assert ids(body["data"]) == list(range(201, 251)), path
        assert ids(await page(session, f"/orders-link?since={since}")) == list(range(201, 251))
        clients = await page(session, "/customers")
        later = await page(session, f"/customers?since={clients[3]['updated_at']}")
        assert later == clients[4:]
        assert clients[4:]


@pytest.mark.asyncio
async def test_credentials_and_parameters_are_checked() -> None:
    expected: list[tuple[str, dict[str, str], int]] = [
        ("/orders", BEARER, 200),
        ("/orders", {}, 401),
        ("/orders", {"Authorization": "Bearer other"}, 401),
        ("/basic/orders", basic(BASIC_PASSWORD), 200),
        ("/basic/orders", basic("other"), 401),
        ("/basic/orders", BEARER, 401),
        ("/key/orders", {"X-API-Key": API_KEY}, 200),
        ("/key/orders", BEARER, 401),
        ("/orders?page=0", BEARER, 400),
        ("/orders?page=two", BEARER, 400),
        ("/orders?page_size=1001", BEARER, 400),
        ("/orders-cursor?cursor=!!", BEARER, 400),
        ("/nothing", BEARER, 404),
    ]
    seen = []
    async with client({}) as session:
        for path, headers, _ in expected:
            async with session.get(path, headers=headers) as answer:
                seen.append((path, headers, answer.status))
    assert seen == expected


@pytest.mark.asyncio
async def test_faults_repeat_with_the_seed_and_strike_a_page_once() -> None:
    async def statuses(session: aiohttp.ClientSession) -> list[tuple[int, str | None]]:
        seen = []
        for number in range(1, 61):
            async with session.get("/orders", params={"page": number, "page_size": 4}) as answer:
                seen.append((answer.status, answer.headers.get("Retry-After")))
        return seen

    async with client(fault_rate=0.3, seed=5) as session:
        first = await statuses(session)
        second = await statuses(session)
    async with client(fault_rate=0.3, seed=5) as session:
        again = await statuses(session)

    assert first == again
    assert set(first) == {(200, None), (429, "1"), (500, None)}
    assert set(second) == {(200, None)}


@pytest.mark.asyncio
async def test_latency_is_waited_and_gzip_holds_the_same_page() -> None:
    async with client(compress=True, latency_ms=60) as session:
        started = anyio.current_time()
        async with session.get("/orders", headers={"Accept-Encoding": "identity"}) as answer:
            plain = await answer.read()
            assert "Content-Encoding" not in answer.headers
        assert anyio.current_time() - started >= 0.06
        async with session.get("/orders", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert int(answer.headers["Content-Length"]) < len(plain) / 3
            assert await answer.read() == plain


@pytest.mark.asyncio
async def test_the_server_ends_with_the_block_and_on_sigterm() -> None:
    me = psutil.Process()
    others = set(me.children())  # servers of the session's other tests
    async with DemoServer(records=1):
        (child,) = set(me.children()) - others
        assert child.is_running()
    assert not child.is_running()
    async with DemoServer(records=1):
        (child,) = set(me.children()) - others
        os.kill(child.pid, signal.SIGTERM)
        while is_alive(child):
            await anyio.lowlevel.checkpoint()


def is_alive(child: psutil.Process) -> bool:
    try:
        return bool(child.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # its parent took its end between two looks
        return False


def test_the_server_does_not_outlive_a_parent_that_was_killed() -> None:
    script = """
import anyio, sys
from bronze_engine.demo.process import DemoServer
async def main():
    async with DemoServer(records=1):
        print("up", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    child.wait(timeout=60)
    assert not child.is_running()


@pytest.mark.asyncio
async def test_a_server_that_can_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        async with DemoServer(records=-1):
            pass


def test_records_are_the_same_for_the_same_seed_and_exact_to_the_cent() -> None:
    once, again, other = (b"".join(orders(500, seed).array(0, 500)) for seed in (1, 1, 2))
    assert once == again != other
    records = msgspec.json.decode(once, type=list[dict[str, msgspec.Raw]])
    amounts = [bytes(record["amount"]).decode() for record in records]
    assert all(Decimal(text).as_tuple().exponent == -2 for text in amounts)
    assert {bytes(record["note"]) == b"null" for record in records} == {True, False}
    assert 290 < len(once) / 500 < 350
