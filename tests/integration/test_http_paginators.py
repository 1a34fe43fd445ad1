"""Every paginator with every auth and every way to stop, against a real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from bronze_engine.config.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from bronze_engine.config.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
)
from bronze_engine.config.units import Secret
from bronze_engine.errors import ExtractError, PageError
from tests.integration.http_server import ONCE, Handler, Seen, answer, opened, serve
from tests.paged_rows import Kind, PagedRows

pytestmark = pytest.mark.integration

COUNT: Final = 23
SIZE: Final = 5
ROWS: Final = list(range(1, COUNT + 1))

AUTHS: Final[dict[str, tuple[Auth, tuple[str, str]]]] = {
    "bearer": (BearerAuth(token=Secret("t0ken")), ("authorization", "Bearer t0ken")),
    "basic": (
        BasicAuth(username="user", password=Secret("pässword")),
        ("authorization", "Basic " + base64.b64encode("user:pässword".encode()).decode()),
    ),
    "api_key in a header": (
        ApiKeyAuth(key=Secret("k3y"), name="X-Shop-Key"),
        ("x-shop-key", "k3y"),
    ),
    "api_key in the query": (
        ApiKeyAuth(key=Secret("k3y"), name="key", location="query"),
        ("?key", "k3y"),
    ),
}
"""By name: the configuration, and what each request must then carry ("?" for the query)."""

SIZED: Final[dict[str, Any]] = {"size_param": "size", "page_size": SIZE}
PAGINATORS: Final[dict[Kind, Any]] = {
    "page": PagePaginator,
    "offset": OffsetPaginator,
    "cursor": lambda **options: CursorPaginator(cursor_path="next_cursor", **options),
    "header_cursor": lambda **options: HeaderCursorPaginator(
        cursor_header="X-Next-Cursor", **options
    ),
    "keyset": lambda **options: KeysetPaginator(**{"param": "after", **options}),
    "next_url": lambda **options: NextUrlPaginator(next_path="links.next", **options),
    "link_header": LinkHeaderPaginator,
}

COUNTED: Final[tuple[Kind, ...]] = ("page", "offset")
CHAINED: Final[tuple[Kind, ...]] = ("cursor", "header_cursor", "next_url", "link_header")

STOPS: Final[list[tuple[str, tuple[Kind, ...], dict[str, Any], dict[str, Any], int, int]]] = [
    # what ends it, of which paginators, what the server does, the options, requests, records
    ("an empty page", (*COUNTED, "keyset"), {}, {}, 6, COUNT),
    ("no next page", CHAINED, {}, SIZED, 5, COUNT),
    ("the total", COUNTED, {"states": ["total"]}, {"total_path": "total"}, 5, COUNT),
    (
        "the total pages",
        ("page",),
        {"states": ["total_pages"]},
        {"total_pages_path": "total_pages"},
        5,
        COUNT,
    ),
    (
        "has_more",
        (*COUNTED, *CHAINED, "keyset"),
        {"states": ["has_more"], "is_endless": True},
        {"has_more_path": "has_more"},
        5,
        COUNT,
    ),
    (
        "a short page",
        (*COUNTED, *CHAINED, "keyset"),
        {"is_endless": True},
        {"stop_on_short_page": True, **SIZED},
        5,
        COUNT,
    ),
    ("a short page after a full one", COUNTED, {}, SIZED, 5, COUNT),
    ("max_pages", (*COUNTED, *CHAINED, "keyset"), {"is_endless": True}, {"max_pages": 2}, 2, 10),
    ("max_records", (*COUNTED, *CHAINED, "keyset"), {"is_endless": True}, {"max_records": 7}, 2, 7),
]

CASES: Final = [
    pytest.param(kind, server, options, requests, records, id=f"{kind}-{stop}")
    for stop, kinds, server, options, requests, records in STOPS
    for kind in kinds
]


def served(rows: PagedRows) -> Handler:
    """Answers by query, headers, and the variables of a body, from wherever they come."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        asked: dict[str, Any] = {**seen.headers, **seen.query}
        if seen.body:
            body = json.loads(seen.body)
            asked |= body.get("variables", body)
        value, headers = rows.answer({name.removeprefix("x-"): v for name, v in asked.items()})
        return answer(value, headers=headers)

    return handle


def carries(seen: Seen, proof: tuple[str, str]) -> bool:
    name, value = proof
    where: Mapping[str, str] = seen.query if name.startswith("?") else seen.headers
    return where.get(name.removeprefix("?")) == value


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("kind", "server", "options", "requests", "records"), CASES)
async def test_every_paginator_with_every_auth_stops_where_it_should(
    kind: Kind,
    server: dict[str, Any],
    options: dict[str, Any],
    requests: int,
    records: int,
    auth: str,
) -> None:
    config, proof = AUTHS[auth]
    rows = PagedRows(kind, COUNT, **server)
    async with (
        serve(served(rows)) as there,
        opened(
            there, api={"auth": config}, records="data", paginator=PAGINATORS[kind](**options)
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(there.seen) == one.tally.requests == requests
        assert all(carries(seen, proof) for seen in there.seen)
        assert not one.tally.warnings


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(
    ("options", "requests", "records"),
    [({}, 5, COUNT), ({"max_pages": 2}, 2, 10), ({"max_records": 7}, 2, 7)],
)
async def test_graphql_with_every_auth(
    options: dict[str, Any], requests: int, records: int, auth: str
) -> None:
    config, proof = AUTHS[auth]
    paginator = GraphqlPaginator(
        page_info_path="pageInfo", size_variable="size", page_size=SIZE, **options
    )
    query = "query ($after: String) { orders(after: $after) { nodes { id } } }"
    async with (
        serve(served(PagedRows("graphql", COUNT))) as there,
        opened(
            there,
            api={"auth": config},
            method="POST",
            json={"query": query, "variables": {"shop": 5}},
            records="data",
            paginator=paginator,
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(there.seen) == requests
        assert all(carries(seen, proof) for seen in there.seen)
        bodies = [json.loads(seen.body) for seen in there.seen]
        assert {body["query"] for body in bodies} == {query}
        assert bodies[0]["variables"] == {"shop": 5, "size": SIZE}
        assert bodies[1]["variables"] == {"shop": 5, "size": SIZE, "after": "5/1"}


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("options", "records"), [({}, COUNT), ({"max_records": 7}, 7)])
async def test_one_answer_with_every_auth(options: dict[str, Any], records: int, auth: str) -> None:
    config, proof = AUTHS[auth]
    async with (
        serve(served(PagedRows("none", COUNT))) as there,
        opened(
            there, api={"auth": config}, records="data", paginator=NoPaginator(**options)
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert [carries(seen, proof) for seen in there.seen] == [True]


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("kind", ["next_url", "link_header", "cursor", "header_cursor", "page"])
@pytest.mark.parametrize(
    ("options", "requests", "records"),
    [({}, 5, COUNT), ({"max_pages": 2}, 2, 10), ({"max_records": 7}, 2, 7)],
)
async def test_auto_reads_on_from_the_first_answer(
    kind: Kind, options: dict[str, Any], requests: int, records: int, auth: str
) -> None:
    config, proof = AUTHS[auth]
    rows = PagedRows(kind, COUNT, states=["total_pages"] if kind == "page" else ["has_more"])
    paginator = AutoPaginator(size_param="size", page_size=SIZE, **options)
    async with (
        serve(served(rows)) as there,
        opened(there, api={"auth": config}, records="data", paginator=paginator) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(there.seen) == requests  # the first page was not asked for twice
        assert all(carries(seen, proof) for seen in there.seen)
        assert [seen.query["size"] for seen in there.seen] == ["5"] * requests
        (told,) = one.tally.warnings
        assert f'type = "{kind}"' in told
        assert "Write it into" in told
        assert "k3y" not in told


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
@pytest.mark.parametrize("kind", COUNTED)
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
            api={"auth": AUTHS["bearer"][0]},
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
