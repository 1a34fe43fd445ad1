"""The session by itself: what it tells of the answers that it gives azure-core."""

from __future__ import annotations

import asyncio
import errno

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from bronze_engine.store.azure.faults import of_wire
from bronze_engine.store.azure.session import Session
from bronze_engine.telemetry.answers import Answers
from tests.integration.http_server import Seen, answer, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
async def test_the_status_is_told_to_whoever_tells_of_the_attempt() -> None:
    async def refuse(_seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer(body=b"", status=412)

    async with serve(refuse) as server, aiohttp.ClientSession() as wire:
        session = Session(wire, proxy=lambda _scheme, _netloc: None, read_seconds=10)
        with Answers() as answers:
            await session.request("GET", server.url, headers={})
    assert answers.status == 412


def test_a_refused_connection_is_told_in_the_systems_words() -> None:
    asyncios = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    key = ConnectionKey("lake.example", 443, True, True, None, None, None)
    error = of_wire(aiohttp.ClientConnectorError(key, asyncios))
    assert str(error) == "no connection: Connection refused"
