"""Whatever the sizes of pages, the faults and the retries: rows out are rows in, once each.

The source, its readings, its pagers and its limits are the real ones; the API is in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import Retry
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.config.units import Duration
from tests.integration.http_server import Opened, opened
from tests.paged_rows import Kind, PagedRows, Stated
from tests.unit.http.memory_api import BASE, Fault, MemoryApi

pytestmark = pytest.mark.unit

FAULTS: tuple[Fault, ...] = get_args(Fault)
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "none")
FOUND: tuple[Kind, ...] = ("next_url", "link_header", "graphql")
"""What the first answer of the API names for certain, wherever it stops."""
STATES: tuple[frozenset[Stated], ...] = (
    frozenset(),
    frozenset({"total"}),
    frozenset({"has_more"}),
    frozenset({"total", "has_more"}),
    frozenset({"total_pages"}),
    frozenset({"total", "total_pages"}),
)
HIDDEN: st.SearchStrategy[list[int]] = st.just([]) | st.lists(
    st.integers(0, 5), min_size=2, max_size=4
).filter(any)
RETRY = Retry(attempts=20, backoff=Duration(0.01), max_wait=Duration(86400))
POST: dict[str, Any] = {"method": "POST", "json": {"query": "{ x }", "variables": {}}}


def paginator_of(kind: Kind, states: Collection[Stated], size: int, **options: Any) -> Paginator:
    sized: dict[str, Any] = {"size_param": "size", "page_size": size, **options}
    if "total" in states:
        sized["total_path"] = "total"
    if "has_more" in states:
        sized["has_more_path"] = "has_more"
    match kind:
        case "page":
            pages = "total_pages" if "total_pages" in states else None
            return PagePaginator(total_pages_path=pages, **sized)
        case "offset":
            return OffsetPaginator(**sized)
        case "cursor":
            return CursorPaginator(cursor_path="next_cursor", **sized)
        case "header_cursor":
            return HeaderCursorPaginator(cursor_header="X-Next-Cursor", **sized)
        case "keyset":
            return KeysetPaginator(param="after", **sized)
        case "next_url":
            return NextUrlPaginator(next_path="links.next", **sized)
        case "link_header":
            return LinkHeaderPaginator(**sized)
        case _:
            return GraphqlPaginator(
                page_info_path="pageInfo", size_variable="size", page_size=size, **options
            )


def read(api: MemoryApi, paginator: Paginator, **source: Any) -> tuple[list[int], Opened]:
    """The ids in the order in which they come, and the source that was read."""

    async def run() -> tuple[list[int], Opened]:
        settings = {"retry": RETRY, "concurrency": 8}
        async with opened(
            BASE, client=api, api=settings, records="data", paginator=paginator, **source
        ) as one:
            return [record["id"] for record in await one.read()], one

    return asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=100)
@given(
    count=st.integers(0, 60),
    size=st.integers(1, 12),
    cap=st.integers(3, 12),
    states=st.sampled_from(STATES),
    parallel=st.none() | st.integers(1, 6),
    hidden=HIDDEN,
    faults=st.lists(st.sampled_from(FAULTS), max_size=15),
    delays=st.lists(st.integers(0, 6), max_size=60),
    max_records=st.none() | st.none() | st.integers(1, 70),
    max_pages=st.none() | st.none() | st.integers(1, 8),
)
def test_rows_out_are_rows_in(
    kind: Kind,
    count: int,
    size: int,
    cap: int,
    states: Collection[Stated],
    parallel: int | None,
    hidden: list[int],
    faults: list[Fault],
    delays: list[int],
    max_records: int | None,
    max_pages: int | None,
) -> None:
    rows = PagedRows(kind, count, cap=cap, states=states, hidden=hidden)
    api = MemoryApi(rows, faults=faults, delays=delays)
    options: dict[str, Any] = {"max_records": max_records, "max_pages": max_pages}
    if kind in ("page", "offset"):
        options["parallel"] = parallel
    received, one = read(
        api, paginator_of(kind, states, size, **options), **(POST if kind == "graphql" else {})
    )
    expected = list(range(1, count + 1))[:max_records]
    assert received == expected[: len(received)]
    if max_pages is None:
        assert received == expected
    else:
        assert received == expected or one.tally.pages == max_pages
    assert one.tally.retries <= api.failed
    assert one.tally.requests == api.requests
    pages = [block.page for block in one.blocks]
    assert pages == sorted(pages)
    assert one.budget.pooled_bytes == one.budget.reserved_bytes == 0


@pytest.mark.parametrize("kind", FOUND)
@settings(deadline=None, max_examples=30)
@given(
    count=st.integers(0, 40),
    size=st.none() | st.integers(1, 12),
    hidden=HIDDEN,
    faults=st.lists(st.sampled_from(FAULTS), max_size=15),
    max_records=st.none() | st.integers(1, 50),
)
def test_rows_out_are_rows_in_where_the_paginator_is_found_out(
    kind: Kind,
    count: int,
    size: int | None,
    hidden: list[int],
    faults: list[Fault],
    max_records: int | None,
) -> None:
    rows = PagedRows(kind, count, hidden=hidden)
    api = MemoryApi(rows, faults=faults)
    sized: dict[str, Any] = {"size_param": "size", "page_size": size} if size else {}
    post = POST | {"json": {"query": "x", "variables": {}}}
    received, one = read(
        api,
        AutoPaginator(max_records=max_records, **sized),
        **(post if kind == "graphql" else {}),
    )
    assert received == list(range(1, count + 1))[:max_records]
    assert one.tally.requests == api.requests
    assert [text for text in one.tally.warnings if f'"{kind}"' in text]
