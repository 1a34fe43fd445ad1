"""Children of parents over a real server: order, fields carried down, memory."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from bronze_engine.config.http.paginator import GraphqlPaginator, PagePaginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.source import HttpSourceConfig, Parent
from bronze_engine.errors import PageError
from tests.integration.http.shop import (
    ORDERS,
    WANTED,
    children,
    orders_of,
    rows_of,
    shop,
)
from tests.integration.http_server import Seen, answer, opened, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("parallel", [None, 1, 3])
async def test_children_come_in_the_order_of_their_parents(parallel: int | None) -> None:
    one = await rows_of(shop(ORDERS), parallel=parallel)
    assert one.records == WANTED
    assert [block.page for block in one.blocks] == sorted(block.page for block in one.blocks)


@pytest.mark.asyncio
async def test_children_are_read_side_by_side_and_never_more_than_configured() -> None:
    inside = most = 0
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        nonlocal inside, most
        inside += seen.path != "/orders"
        most = max(most, inside)
        for _ in range(30):
            await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
        inside -= seen.path != "/orders"
        return await inner(seen, writer)

    assert (await rows_of(handle, parallel=3)).records == WANTED
    assert most == 3


@pytest.mark.asyncio
async def test_a_slow_first_child_does_not_change_the_order() -> None:
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.path == "/orders/1/lines":
            for _ in range(200):
                await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
        return await inner(seen, writer)

    assert (await rows_of(handle)).records == WANTED


@pytest.mark.asyncio
async def test_fields_of_the_parent_are_carried_into_each_record_byte_for_byte() -> None:
    amount = "1234567890123456789012345678901234567890.10"

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/orders":
            return answer(
                body=b'[{"id": 7, "amount": %s, "who": {"n": "\\u00e9"}}]' % amount.encode()
            )
        return answer([{"line": 1}, {}])

    one = await rows_of(
        handle,
        {"records": None, "paginator": PagePaginator(stop_on_short_page=True, page_size=9)},
        records=None,
        carry={"order_id": "id", "order_amount": "amount", "name": "who.n", "none": "gone"},
    )
    assert b"".join(block.data for block in one.blocks) == (
        b'{"line": 1,"order_id":7,"order_amount":%s,"name":"\\u00e9"}\n'
        b'{"order_id":7,"order_amount":%s,"name":"\\u00e9"}\n'
    ) % (amount.encode(), amount.encode())
    assert "1 parents lack a field that carry names" in one.tally.warnings[0]


@pytest.mark.asyncio
async def test_a_carried_column_never_hides_a_key_of_the_record() -> None:
    with pytest.raises(PageError, match=r'team.orders with id = 1: .*"line".*another name'):
        await rows_of(shop(ORDERS), carry={"line": "id"})


@pytest.mark.asyncio
async def test_parents_may_be_children_themselves() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/shops":
            return answer([{"key": "a/b"}, {"key": "c"}])
        shop_key, *order = seen.target.removeprefix("/shops/").split("/")
        if order == ["orders"]:
            return answer([{"id": f"{shop_key}{number}"} for number in (1, 2)])
        assert order[0] == "orders"
        return answer([{"line": f"{order[1]}.{number}"} for number in (1, 2)])

    async with serve(handle) as server:
        shops = orders_of(
            server.url, path="/shops", records=None, paginator=PagePaginator(max_pages=1)
        )
        orders = Parent(
            name="team.shop_orders",
            source=HttpSourceConfig(
                api=shops.source.api,
                path="/shops/{parent.key}/orders",
                parent=shops,
                carry={"shop": "key"},
            ),
        )
        async with opened(
            server,
            path="/shops/{parent.shop}/orders/{parent.id}/lines",
            parent=orders,
            carry={"shop": "shop"},
        ) as one:
            assert await one.read() == [
                {"line": f"{order}.{number}", "shop": name}
                for order, name in (
                    ("a%252Fb1", "a/b"), ("a%252Fb2", "a/b"), ("c1", "c"), ("c2", "c"),
                )
                for number in (1, 2)
            ]  # fmt: skip


@pytest.mark.asyncio
async def test_the_same_request_is_made_once_and_told() -> None:
    orders = [*ORDERS, {"id": 3, "x": 1}, {"id": "3"}]
    async with (
        serve(shop(orders)) as server,
        opened(server, parent=orders_of(server.url), **children()) as one,
    ):
        assert await one.read() == WANTED
        paths = [seen.target for seen in server.seen if seen.path != "/orders"]
        assert len(paths) == len(set(paths))
        assert "2 parents ask for the same" in one.tally.warnings[0]


@pytest.mark.asyncio
async def test_with_other_fields_to_carry_the_same_request_is_made_for_each() -> None:
    orders = [{"id": 3, "of": "x"}, {"id": 3, "of": "y"}]
    one = await rows_of(shop(orders), carry={"of": "of"})
    assert [row["of"] for row in one.records] == ["x"] * 3 + ["y"] * 3


@pytest.mark.asyncio
async def test_fields_of_the_parent_may_stand_in_parameters() -> None:
    async with (
        serve(shop(ORDERS)) as server,
        opened(
            server,
            parent=orders_of(server.url),
            path="/orders/1/lines",
            records="rows",
            params={"of": "{parent.customer.name}", "ids": ["{parent.id}", "x{parent.id}"]},
        ) as one,
    ):
        await one.read()
        asked = [seen.target for seen in server.seen if seen.path != "/orders"]
        assert min(asked, key=len) == "/orders/1/lines?of=c1&ids=1&ids=x1"
        assert len(set(asked)) == len(ORDERS)


@pytest.mark.asyncio
async def test_numbers_stay_numbers_in_a_body() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/orders":
            return answer([{"id": 7, "name": "x"}, {"id": "7", "name": "y"}])
        return answer([json.loads(seen.body)])

    one = await rows_of(
        handle,
        {"records": None, "paginator": PagePaginator(max_pages=1)},
        path="/search",
        method="POST",
        records=None,
        paginator=PagePaginator(max_pages=1),
        json={"filter": {"order": "{parent.id}", "of": "order {parent.id} of {parent.name}"}},
    )
    assert one.records == [
        {"filter": {"order": 7, "of": "order 7 of x"}},
        {"filter": {"order": "7", "of": "order 7 of y"}},
    ]


@pytest.mark.asyncio
async def test_children_may_be_asked_for_in_graphql() -> None:
    query = "query($order: ID!, $after: String) { order(id: $order) { lines { id } } }"

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/orders":
            return answer([{"id": 7}, {"id": 8}])
        sent = json.loads(seen.body)
        assert sent["query"] == query
        place = sent["variables"].get("after", "a")
        nodes = [{"line": f"{sent['variables']['order']}{place}"}]
        info = {"hasNextPage": place == "a", "endCursor": "b"}
        return answer({"data": {"lines": {"nodes": nodes, "pageInfo": info}}})

    one = await rows_of(
        handle,
        {"records": None, "paginator": PagePaginator(max_pages=1)},
        path="/graphql",
        method="POST",
        records="data.lines.nodes",
        paginator=GraphqlPaginator(),
        json={"query": query, "variables": {"order": "{parent.id}"}},
    )
    assert one.records == [{"line": line} for line in ("7a", "7b", "8a", "8b")]


@pytest.mark.asyncio
async def test_children_of_an_incremental_pipeline_end_where_the_parents_reading_began() -> None:
    stamps = iter(f"Wed, 15 Jan 2025 10:00:{second:02} GMT" for second in range(60))
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        found = await inner(seen, writer)
        assert found is not None
        rest = re.sub(rb"Date: [^\r]*\r\n", b"", found)
        return rest.replace(b"\r\n", f"\r\nDate: {next(stamps)}\r\n".encode(), 1)

    async with (
        serve(handle) as server,
        opened(
            server,
            incremental=Incremental(cursor="at"),
            parent=orders_of(server.url),
            **children(),
        ) as one,
    ):
        await one.read()
        assert {str(block.as_of) for block in one.blocks} == {"2025-01-15 10:00:00+00:00"}


@pytest.mark.asyncio
async def test_a_tiny_budget_passes_and_gives_everything_back() -> None:
    rows = [{"line": number, "text": "x" * 3000} for number in range(9)]
    async with (
        serve(shop(ORDERS, lambda _: rows)) as server,
        opened(server, budget_bytes=100, parent=orders_of(server.url), **children()) as one,
    ):
        assert await one.read() == rows * len(ORDERS)
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_what_is_read_ahead_of_a_slow_chain_is_bounded_by_the_budget() -> None:
    page_bytes, pages, budget_bytes = 50_000, 40, 500_000
    asked = 0
    text = "x" * (page_bytes // 2)

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        nonlocal asked
        if seen.path == "/orders":
            return answer({"data": [{"id": number} for number in range(1, 7)], "total": 6})
        if seen.path == "/orders/1/lines":
            most = -1
            while asked > most:  # until the others have come to a halt
                most = asked
                for _turn in range(100):
                    await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
            limit = (
                budget_bytes // page_bytes + 2 * 3
            )  # a page of each passes, and one is on its way
            assert 5 < asked <= limit, asked
            return answer({"rows": [], "next": None})
        asked += 1
        start = int(seen.query.get("cursor", 0))
        rows = [{"line": f"{seen.path} {start} {number}", "text": text} for number in range(2)]
        return answer({"rows": rows, "next": str(start + 1) if start + 1 < pages else None})

    async with (
        serve(handle) as server,
        opened(
            server,
            budget_bytes=budget_bytes,
            parent=orders_of(server.url),
            parallel=4,
            **children(),
        ) as one,
    ):
        rows = await one.read()
        assert len(rows) == 5 * pages * 2
        assert [row["line"].split()[0] for row in rows[:: 2 * pages]] == [
            f"/orders/{number}/lines" for number in range(2, 7)
        ]
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_preview_and_check_show_the_chains() -> None:
    async with (
        serve(shop(ORDERS)) as server,
        opened(server, parent=orders_of(server.url), **children()) as one,
    ):
        preview = one.source.preview()
        assert preview.first == f"GET {server.url}/orders?page=1"
        assert preview.location == f"{server.url}/orders/{{parent.id}}/lines"
        assert preview.slices == ("all of team.orders", "of each its children, 8 side by side")
        assert server.seen == []
        told = await one.source.check()
        assert told.endswith("/orders/1/lines answers 200 with 1 records, next = None")
        assert len(server.seen) == 2
