"""Children of parents where something is wrong: which fault it is, and whose."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.errors import ExtractError, PageError, RetryError, SliceLost
from tests.integration.http.shop import (
    ORDERS,
    WANTED,
    children,
    lines_of,
    orders_of,
    rows_of,
    shop,
)
from tests.integration.http_server import ONCE, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (
            {"key": 1, "b": 2},
            r'has no "id", which the request needs; there are the keys "key", "b"',
        ),
        ({"id": None}, r'"id" of a record of team.orders is null'),
        ({"id": {"x": 1}}, r'"id" of a record of team.orders is an object'),
        ({"id": ".."}, r"is '..', which is no part of a path"),
        ({"id": ""}, r"is '', which is no part of a path"),
        ([1], r"a record of team.orders is a list, not an object"),
    ],
)
async def test_a_parent_that_can_not_be_asked_for_says_why(parent: Any, message: str) -> None:
    with pytest.raises(PageError, match=message):
        await rows_of(shop([{"id": 1}, parent, {"id": 2}]))


@pytest.mark.asyncio
async def test_404_of_a_child_is_an_error_that_names_the_parent() -> None:
    orders = [{"id": 1}, {"id": "gone"}, {"id": 2}]
    with pytest.raises(ExtractError, match=r"team.orders with id = 'gone': page 1 .*not found"):
        await rows_of(shop(orders))


@pytest.mark.asyncio
async def test_404_of_a_child_means_no_records_where_configured() -> None:
    orders = [{"id": 1}, {"id": "gone"}, {"id": 2}, {"id": "away"}]
    one = await rows_of(shop(orders), on_not_found="empty")
    assert one.records == lines_of(1) + lines_of(2)
    assert one.tally.warnings == [
        '2 of 4 first pages were answered with 404, and count as empty (on_not_found = "empty")'
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("on_not_found", ["fail", "empty"])
async def test_404_of_a_source_of_one_chain(on_not_found: Any) -> None:
    async with (
        serve(shop(ORDERS)) as server,
        opened(server, path="/nowhere", on_not_found=on_not_found) as one,
    ):
        if on_not_found == "fail":
            with pytest.raises(ExtractError, match="not found"):
                await one.read()
        else:
            assert (await one.source.check()).endswith("/nowhere answers 404 with 0 records")
            assert await one.read() == []
            assert "was not found, and counts as empty" in one.tally.warnings[0]


@pytest.mark.asyncio
async def test_the_first_fault_in_the_order_of_the_plan_is_the_error() -> None:
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.path == "/orders/3/lines":
            for _ in range(100):
                await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
            return answer({}, status=500)
        if seen.path == "/orders/5/lines":
            return answer({}, status=400)
        return await inner(seen, writer)

    async with (
        serve(handle) as server,
        opened(server, api={"retry": ONCE}, parent=orders_of(server.url), **children()) as one,
    ):
        with pytest.raises(RetryError, match=r"team\.orders with id = 3: GET"):
            await one.read()
        assert one.records == lines_of(1) + lines_of(2)
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_a_fault_of_the_parents_comes_after_the_children_before_it() -> None:
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.query.get("page") == "2":
            return answer({"message": "no second page"}, status=400)
        return await inner(seen, writer)

    async with (
        serve(handle) as server,
        opened(server, parent=orders_of(server.url), **children()) as one,
    ):
        with pytest.raises(ExtractError, match=r"page 2 .*/orders\?page=2.*no second page"):
            await one.read()
        assert one.records == lines_of(1) + lines_of(2) + lines_of(3)
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_children_that_shift_are_read_again_as_a_whole() -> None:
    wrong = {"left": 1}
    inner = shop(ORDERS)

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.path == "/orders/2/lines" and seen.query.get("page", "1") == "1":
            rows = lines_of(2)
            stated = len(rows) + (wrong["left"] > 0)
            wrong["left"] -= 1
            return answer({"rows": rows, "total": stated})
        if seen.path.endswith("/lines"):
            rows = lines_of(int(seen.path.split("/")[2])) if seen.query["page"] == "1" else []
            if seen.path == "/orders/2/lines":
                return answer({"rows": [], "total": 3})
            return answer({"rows": rows, "total": len(rows)})
        return await inner(seen, writer)

    async with (
        serve(handle) as server,
        opened(
            server,
            on_shift="retry",
            parent=orders_of(server.url),
            **children(paginator=PagePaginator(total_path="total")),
        ) as one,
    ):
        with pytest.raises(SliceLost):
            await one.read()
        one.blocks.clear()
        assert await one.read() == WANTED


@pytest.mark.asyncio
async def test_check_without_a_parent_says_so() -> None:
    async with (
        serve(shop([])) as server,
        opened(server, parent=orders_of(server.url), **children()) as one,
    ):
        assert "nothing to ask it for yet" in await one.source.check()
        assert await one.read() == []
