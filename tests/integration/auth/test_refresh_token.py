"""Refresh tokens on the wire, rotated and kept in a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bronze_engine.config.auths.oauth2 import OAuth2RefreshTokenAuth
from bronze_engine.config.units import Secret
from bronze_engine.testing.clock import ManualClock
from tests.integration.auth.reading import reading
from tests.integration.auth.token_server import TokenServer, rows
from tests.integration.http_server import Seen, Server, answer, serve
from tests.issuer import CLIENT, Issuer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


def refresh_token(server: Server, path: Path, **more: Any) -> OAuth2RefreshTokenAuth:
    return OAuth2RefreshTokenAuth(
        token_url=f"{server.url}/token",
        client_id=CLIENT[0],
        client_secret=Secret(CLIENT[1]),
        refresh_token=Secret("seed"),
        token_store=str(path / "tokens.json"),
        **more,
    )


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
