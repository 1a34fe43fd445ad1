"""What the HTTP source sends: bodies, paths, windows, credentials; and what it shows of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bronze_engine.config.auths.auth import ApiKeyAuth, BasicAuth, BearerAuth
from bronze_engine.config.http.paginator import NextUrlPaginator, OffsetPaginator, PagePaginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Secret
from tests.integration.http.rows import chained, paged
from tests.integration.http_server import Seen, answer, opened, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
async def test_post_sends_the_rendered_json_with_every_page() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        page = int(seen.query["page"])
        return answer([{"id": page, "day": json.loads(seen.body)["day"]}] if page < 3 else [])

    async with (
        serve(handle) as server,
        opened(
            server,
            method="POST",
            json={"day": "{run_date:%Y%m%d}"},
            paginator=PagePaginator(),
        ) as one,
    ):
        assert await one.read() == [{"id": 1, "day": "20250115"}, {"id": 2, "day": "20250115"}]
        assert {seen.method for seen in server.seen} == {"POST"}
        assert server.seen[0].headers["content-type"] == "application/json"


@pytest.mark.asyncio
async def test_path_and_params_are_rendered_and_encoded() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with (
        serve(handle) as server,
        opened(
            server,
            path="/days/{run_date}?fixed=1",
            params={"q": "a b&c/ü", "flags": ["x", "y"], "on": True, "n": 3, "low": "{low}"},
        ) as one,
    ):
        await one.read()
        assert server.seen[0].target == (
            "/days/2025-01-15?fixed=1&q=a%20b%26c%2F%C3%BC&flags=x&flags=y&on=true&n=3"
        )


@pytest.mark.asyncio
async def test_the_window_is_sent_in_the_format_that_the_api_wants() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    incremental = Incremental(
        cursor="updated_at", start_param="since", end_param="until", format="epoch"
    )
    async with (
        serve(handle) as server,
        opened(
            server,
            incremental=incremental,
            low="2025-01-01T00:00:00.5Z",
            cap="2025-01-02T00:00:00.5Z",
        ) as one,
    ):
        await one.read()
        assert server.seen[0].query == {"since": "1735689600", "until": "1735776001"}
        assert "since=1735689600" in one.source.preview().first


@pytest.mark.asyncio
async def test_a_source_has_headers_of_its_own() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    api = {"headers": {"X-Shop": Secret("one"), "X-Kept": Secret("kept")}}
    headers = {"accept": "text/x", "x-shop": "two", "If-Modified-Since": "{low}", "X-To": "{high}"}
    incremental = Incremental(cursor="at", format="%a, %d %b %Y %H:%M:%S GMT")
    low = "2025-01-01T00:00:00Z"
    async with (
        serve(handle) as server,
        opened(server, api=api, incremental=incremental, low=low, headers=headers) as one,
    ):
        await one.read()
    sent = server.seen[0].headers
    assert {name: sent.get(name) for name in ("accept", "x-shop", "x-kept", "x-to")} == {
        "accept": "text/x",
        "x-shop": "two",
        "x-kept": "kept",
        "x-to": None,
    }
    assert sent["if-modified-since"] == "Wed, 01 Jan 2025 00:00:00 GMT"


@pytest.mark.asyncio
async def test_parameters_of_a_path_are_sent_as_they_are_written() -> None:
    """LinkedIn reads `List%28` as a text."""
    path = "/ads?on=(day:{run_date:%d})&of=List(urn%3Ali%3A1,urn%3Ali%3A2)"
    paginator = PagePaginator(max_pages=2)
    async with (
        serve(paged()) as server,
        opened(
            server, path=path, params={"a": "b c"}, paginator=paginator, records="data.items"
        ) as one,
    ):
        await one.read()
        told = one.source.preview()
    assert [seen.target for seen in server.seen] == [
        f"/ads?on=(day:15)&of=List(urn%3Ali%3A1,urn%3Ali%3A2)&a=b%20c&page={page}"
        for page in (1, 2)
    ]
    assert told.location == f"{server.url}/ads"
    assert "urn" not in told.first


@pytest.mark.asyncio
async def test_what_has_not_changed_since_is_empty() -> None:
    async def handle(*_: object) -> bytes:
        return answer(status=304, body=b"")

    async with serve(handle) as server, opened(server, headers={"If-None-Match": "x"}) as one:
        assert await one.read() == []


@pytest.mark.asyncio
async def test_a_page_may_stand_in_a_header_that_is_a_text() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        start = int(seen.headers["range"].removeprefix("items=").partition("-")[0])
        return answer([{"id": n} for n in range(start, min(start + 2, 5))])

    paginator = OffsetPaginator(param_in="template", size_param="n", page_size=2)
    headers = {"Range": "items={page.offset}-"}
    json = {"n": "{page.n}"}
    async with (
        serve(handle) as server,
        opened(server, paginator=paginator, headers=headers, json=json, method="POST") as one,
    ):
        assert await one.read() == [{"id": n} for n in range(5)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (BearerAuth(token=Secret("t0ken")), "authorization", "Bearer t0ken"),
        (
            BasicAuth(username="ü", password=Secret("pw")),
            "authorization",
            "Basic w7w6cHc=",
        ),
        (ApiKeyAuth(key=Secret("k3y")), "x-api-key", "k3y"),
    ],
)
async def test_credentials_in_headers(auth: Any, header: str, value: str) -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with (
        serve(handle) as server,
        opened(server, api={"auth": auth, "headers": {"X-Tenant": Secret("t1")}}) as one,
    ):
        await one.read()
        assert server.seen[0].headers[header] == value
        assert server.seen[0].headers["x-tenant"] == "t1"
        assert server.seen[0].headers["accept-encoding"] == "gzip"


@pytest.mark.asyncio
async def test_a_key_in_the_query_goes_with_every_page_and_is_not_shown() -> None:
    auth = ApiKeyAuth(key=Secret("k3y&="), name="key", location="query")
    async with (
        serve(chained(3)) as server,
        opened(
            server,
            api={"auth": auth},
            records="items",
            paginator=NextUrlPaginator(next_path="next"),
        ) as one,
    ):
        await one.read()
        assert [seen.query["key"] for seen in server.seen] == ["k3y&="] * 3


@pytest.mark.asyncio
async def test_identity_is_asked_for_where_it_is_configured() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    headers = {"accept-encoding": Secret("identity")}
    async with serve(handle) as server, opened(server, api={"headers": headers}) as one:
        await one.read()
        assert server.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.asyncio
async def test_preview_sends_nothing_and_masks_what_is_no_paginators() -> None:
    async with opened(
        "https://api.example.invalid/v1",
        path="/orders",
        params={"token": "canary", "state": "open"},
        paginator=PagePaginator(size_param="limit", page_size=10),
    ) as one:
        preview = one.source.preview()
        assert preview.location == "https://api.example.invalid/v1/orders"
        assert preview.first == (
            "GET https://api.example.invalid/v1/orders?token=***&state=***&page=1&limit=10"
        )
        assert preview.slices == ("all pages",)


@pytest.mark.asyncio
async def test_check_asks_for_one_small_page() -> None:
    paginator = PagePaginator(size_param="limit", page_size=10, total_path="meta.total")
    async with (
        serve(paged()) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        said = await one.source.check()
        assert said.endswith("answers 200 with 1 records, meta.total = 95")
        assert [seen.query["limit"] for seen in server.seen] == ["1"]
        assert one.blocks == []
