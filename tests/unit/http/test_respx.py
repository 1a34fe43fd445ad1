"""respx in a service that embeds the engine: its own httpx calls over our Transport.

respx must patch httpx itself (`using="httpx"`). Its default patches httpcore, which our
Transport does not have. The engine's own requests go to the Transport without an
httpx.AsyncClient, so respx sees none of them: test pipelines against a server.
"""

from __future__ import annotations

import ssl

import httpx
import pytest
import respx

from bronze_engine.config.api import Api
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.wire.client import Client
from bronze_engine.sources.http.wire.transport import Transport

pytestmark = pytest.mark.unit

URL = "http://shop.invalid/orders"


class Reached(Exception):
    """The Transport was about to connect."""


def reached(_: httpx.URL) -> ssl.SSLContext | bool:
    raise Reached


@pytest.mark.asyncio
async def test_a_mocked_call_is_answered_without_the_transport() -> None:
    with respx.mock(using="httpx") as mocked:
        route = mocked.get(URL, params={"page": "2"}).respond(json=[{"id": 1}])
        async with httpx.AsyncClient(transport=Transport(tls=reached)) as client:
            answer = await client.get(URL, params={"page": 2}, headers={"X-Trace": "7"})
    assert answer.json() == [{"id": 1}]
    assert route.calls.last.request.headers["X-Trace"] == "7"


@pytest.mark.asyncio
async def test_a_mocked_fault_reaches_the_caller() -> None:
    with respx.mock(using="httpx") as mocked:
        mocked.get(URL).mock(side_effect=httpx.ReadTimeout)
        async with httpx.AsyncClient(transport=Transport(tls=reached)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(URL)


@pytest.mark.asyncio
async def test_a_call_that_nobody_mocked_is_refused_before_anything_is_sent() -> None:
    with respx.mock(using="httpx"):
        async with httpx.AsyncClient(transport=Transport(tls=reached)) as client:
            with pytest.raises(respx.models.AllMockedAssertionError):
                await client.get(URL)


@pytest.mark.asyncio
async def test_a_call_let_through_goes_over_the_transport() -> None:
    with respx.mock(using="httpx") as mocked:
        mocked.get(URL).pass_through()
        async with httpx.AsyncClient(transport=Transport(tls=reached)) as client:
            with pytest.raises(Reached):
                await client.get(URL)


@pytest.mark.asyncio
async def test_without_using_httpx_respx_does_not_see_the_transport() -> None:
    with respx.mock(assert_all_called=False) as mocked:
        mocked.get(URL).respond(json=[])
        async with httpx.AsyncClient(transport=Transport(tls=reached)) as client:
            with pytest.raises(Reached):
                await client.get(URL)


@pytest.mark.asyncio
async def test_the_engines_own_requests_are_not_mocked() -> None:
    with respx.mock(using="httpx", assert_all_called=False) as mocked:
        mocked.get(URL).respond(json=[])
        async with Transport(tls=reached) as transport:
            client = Client(transport, Credentials(Api(base_url="http://shop.invalid")))
            with pytest.raises(Reached):
                await client.fetch(
                    "GET",
                    URL,
                    None,
                    limit_bytes=1024,
                    on_request=lambda: None,
                    on_bytes=lambda _: None,
                )
