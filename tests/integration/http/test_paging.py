"""What paginators send where, and what they make of odd answers, against a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    GraphqlPaginator,
    KeysetPaginator,
    NoPaginator,
)
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import ExtractError, PageError
from tests.integration.http.paged_server import COUNT, PAGINATORS, ROWS, SIZE, SIZED, served
from tests.integration.http_server import ONCE, Seen, answer, opened, serve
from tests.paged_rows import Kind, PagedRows

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["query", "body", "header"])
@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "header_cursor", "keyset"])
async def test_parameters_go_where_they_should(kind: Kind, place: str) -> None:
    names = {"page": "page_param", "offset": "offset_param", "keyset": "param"}
    key = names.get(kind, "cursor_param")
    name = {"page": "page", "offset": "offset", "keyset": "after"}.get(kind, "cursor")
    before = {"query": "", "body": "variables.", "header": "X-"}[place]
    paginator = PAGINATORS[kind](
        **{key: f"{before}{name}", "size_param": f"{before}size"},
        page_size=SIZE,
        param_in=place,
        total_path="total",
    )
    post: dict[str, Any] = {"method": "POST", "json": {"variables": {"day": "{run_date}"}}}
    async with (
        serve(served(PagedRows(kind, COUNT, states=["total"]))) as there,
        opened(
            there, records="data", paginator=paginator, **(post if place == "body" else {})
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS
        second = there.seen[1]
        sent: dict[str, Any] = {
            "query": second.query,
            "header": {n.removeprefix("x-"): v for n, v in second.headers.items()},
            "body": json.loads(second.body)["variables"] if second.body else {},
        }[place]
        # Numbers stay numbers where JSON has them, and texts texts.
        numbers = {"page": 2, "offset": 5, "keyset": 5}
        wanted = numbers.get(kind, "5/1")
        is_json = place == "body"
        assert sent[name] == (wanted if is_json else str(wanted))
        assert sent["size"] == (SIZE if is_json else str(SIZE))
        if is_json:
            assert sent["day"] == "2025-01-15"
            assert not second.query


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["page", "offset"])
async def test_pages_in_the_body_are_read_side_by_side(kind: Kind) -> None:
    inside = most = 0
    inner = served(PagedRows(kind, 100, states=["total"]))

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(20):
            await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
        inside -= 1
        return await inner(seen, writer)

    paginator = PAGINATORS[kind](total_path="total", param_in="body", **SIZED)
    async with (
        serve(handle) as there,
        opened(there, method="POST", records="data", paginator=paginator) as one,
    ):
        assert [record["id"] for record in await one.read()] == list(range(1, 101))
        assert len(there.seen) == 20
        assert 2 < most <= 8


@pytest.mark.asyncio
async def test_a_keyset_begins_where_the_configuration_says() -> None:
    paginator = KeysetPaginator(param="after", has_more_path="has_more")
    async with (
        serve(served(PagedRows("keyset", COUNT, states=["has_more"]))) as there,
        opened(there, records="data", paginator=paginator, params={"after": 20}) as one,
    ):
        assert [record["id"] for record in await one.read()] == [21, 22, 23]


@pytest.mark.asyncio
async def test_a_keyset_follows_a_key_within_the_record_exactly() -> None:
    large = 2**63 + 1
    pages = [[{"k": {"id": large}}], [{"k": {"id": "a b&c"}}], []]

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer({"data": pages.pop(0)})

    paginator = KeysetPaginator(key="k.id", param="after")
    async with (
        serve(handle) as there,
        opened(there, records="data", paginator=paginator) as one,
    ):
        assert len(await one.read()) == 2
        assert [seen.query.get("after") for seen in there.seen] == [None, str(large), "a b&c"]


@pytest.mark.asyncio
async def test_a_key_that_is_a_list_goes_into_the_body_as_it_came() -> None:
    keys = [b'[1.10, "a b", 12345678901234567890123]', b'["\\u00e9", null]']
    pages = [b'{"hits": [{"sort": [0]}, {"sort": %s}]}' % key for key in keys]
    pages.append(b'{"hits": []}')

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=pages.pop(0))

    paginator = KeysetPaginator(key="sort", param="search_after", param_in="body")
    async with (
        serve(handle) as there,
        opened(there, method="POST", json={}, records="hits", paginator=paginator) as one,
    ):
        assert len(await one.read()) == 4
        sent = [seen.body for seen in there.seen]
    assert sent == [b"{}", *(b'{"search_after":%s}' % key for key in keys)]


@pytest.mark.asyncio
async def test_a_server_that_ignores_the_key_is_an_error() -> None:
    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer({"data": [{"id": 1}]})

    paginator = KeysetPaginator(param="after")
    async with (
        serve(handle) as there,
        opened(there, records="data", paginator=paginator) as one,
    ):
        with pytest.raises(PageError, match=r"page 2 .*identical to the page before"):
            await one.read()


@pytest.mark.asyncio
@pytest.mark.parametrize("compress", [False, True])
async def test_a_throttled_graphql_query_is_asked_again(compress: bool) -> None:
    slow = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "data": None}
    fine = {"data": {"orders": {"nodes": [{"id": 1}], "pageInfo": {"hasNextPage": False}}}}
    replies = [slow, slow, fine]

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(replies.pop(0), compress=compress)

    async with (
        serve(handle) as there,
        opened(
            there,
            api={"retry": ONCE},  # a pause uses no attempt
            method="POST",
            json={"query": "{ orders }"},
            records="data.orders.nodes",
            paginator=GraphqlPaginator(),
        ) as one,
    ):
        assert await one.read() == [{"id": 1}]
        assert one.tally.requests == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("data", [None, {"orders": {"nodes": [{"id": 1}], "pageInfo": {}}}])
async def test_an_error_of_graphql_is_told_and_not_tried_again(data: Any) -> None:
    errors = [{"message": "no such field t0ken", "path": ["orders"]}, {"message": "more"}]

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer({"data": data, "errors": errors})

    async with (
        serve(handle) as there,
        opened(
            there,
            api={"auth": BearerAuth(token=Secret("t0ken"))},
            method="POST",
            json={"query": "{ orders }"},
            records="data.orders.nodes",
            paginator=GraphqlPaginator(),
        ) as one,
    ):
        with pytest.raises(ExtractError, match=r"page 1 .* GraphQL: no such field \*\*\*; check"):
            await one.read()
        assert len(there.seen) == 1


@pytest.mark.asyncio
async def test_auto_without_a_hint_reads_the_one_page_and_says_so() -> None:
    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer([{"id": 1}, {"id": 2}])

    async with serve(handle) as there, opened(there, paginator=AutoPaginator()) as one:
        assert await one.read() == [{"id": 1}, {"id": 2}]
        assert len(there.seen) == 1
        assert 'type = "none"' in one.tally.warnings[0]


@pytest.mark.asyncio
async def test_each_chain_finds_out_its_own_paginator_and_has_its_own_limit() -> None:
    """The first step has one page and no hint, the second has several that are linked."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        low, at = int(seen.query["above"]), int(seen.query.get("at", 0))
        left = 25 if low == 10 else 2 if low == 0 else 0
        rows = [{"id": low + 1, "n": number} for number in range(at, min(at + 10, left))]
        link = {"Link": f"</x?above={low}&to=0&at={at + 10}>; rel=next"} if at + 10 < left else {}
        return answer(rows, headers=link)

    steps = Incremental(
        cursor="id", cursor_type="integer", step=Duration(10), start_param="above", end_param="to"
    )
    for most, taken in ((None, 27), (12, 14)):
        async with (
            serve(handle) as there,
            opened(
                there,
                incremental=steps,
                low="0",
                parallel=2,
                paginator=AutoPaginator(max_records=most),
            ) as one,
        ):
            assert len(await one.read()) == taken
            kinds = [text for text in one.tally.warnings if text.startswith('paginator "auto"')]
            assert len(kinds) == 2  # none and link_header, each told once


@pytest.mark.asyncio
async def test_max_records_cut_a_page_of_several_blocks() -> None:
    text = "x" * 700_000
    rows = [{"id": number, "text": text} for number in range(20)]

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(rows)

    async with (
        serve(handle) as there,
        opened(there, paginator=NoPaginator(max_records=13)) as one,
    ):
        assert [record["id"] for record in await one.read()] == list(range(13))
        assert len(one.blocks) > 1
        assert sum(block.records for block in one.blocks) == 13
