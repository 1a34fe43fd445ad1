"""Chains side by side, whatever their sizes, delays and faults are: their order, their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import Api, Retry
from bronze_engine.config.http.paginator import CursorPaginator, PagePaginator, Paginator
from bronze_engine.config.source import HttpSourceConfig, Parent
from bronze_engine.config.units import Duration
from bronze_engine.errors import PageError
from tests.integration.http_server import Opened, opened
from tests.paged_rows import PagedRows
from tests.unit.http.memory_api import BASE, Fault, MemoryApi

pytestmark = pytest.mark.unit

RETRY = Retry(attempts=20, backoff=Duration(0.001))
SIZE = 3


class Family:
    """Parents by page, and for each of them so many children; some are no list at all."""

    def __init__(self, children: Sequence[int], broken: Sequence[int], text: str) -> None:
        self._children = children
        self._broken = broken
        self._text = text

    def answer(self, asked: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
        if "parent" not in asked:
            return self._page(asked, [{"id": at} for at in range(len(self._children))])
        parent = int(asked["parent"])
        if parent in self._broken:
            return {"data": {"message": "no list"}}, {}
        return self._page(asked, self.rows(parent))

    def rows(self, parent: int) -> list[dict[str, Any]]:
        count = self._children[parent]
        return [{"of": parent, "number": at, "text": self._text} for at in range(count)]

    def _page(self, asked: Mapping[str, Any], rows: Sequence[Any]) -> tuple[Any, dict[str, str]]:
        start = int(asked.get("cursor", 0)) or (int(asked.get("page", 1)) - 1) * SIZE
        more = str(start + SIZE) if start + SIZE < len(rows) else None
        return {"data": rows[start : start + SIZE], "next": more, "total": len(rows)}, {}


def read(
    api: MemoryApi, *, budget_bytes: int, paginator: Paginator, parallel: int
) -> tuple[Opened, PageError | None]:
    """The source, read, with its error; what it has handed on before that is there."""
    pages = CursorPaginator(cursor_path="next")
    above = HttpSourceConfig(
        api=Api(name="shop", base_url=BASE), path="/parents", records="data", paginator=pages
    )

    async def run() -> tuple[Opened, PageError | None]:
        async with opened(
            BASE,
            client=api,
            api={"retry": RETRY, "concurrency": 8},
            budget_bytes=budget_bytes,
            path="/children",
            records="data",
            params={"parent": "{parent.id}"},
            parent=Parent(name="team.parents", source=above),
            paginator=paginator,
            parallel=parallel,
        ) as one:
            error: PageError | None = None
            try:
                await one.read()
            except PageError as exc:
                error = exc
            assert one.budget.pooled_bytes == 0
            return one, error

    return asyncio.run(run())


children = st.lists(st.integers(0, 11), max_size=14)
budgets = st.sampled_from([1, 300, 2000, 64 * 1024**2])
paginators = st.sampled_from(
    [
        CursorPaginator(cursor_path="next"),
        PagePaginator(total_path="total"),
        PagePaginator(parallel=3),
    ]
)
delays = st.lists(st.integers(0, 8), max_size=80)


@settings(deadline=None, max_examples=150)
@given(
    counts=children,
    budget_bytes=budgets,
    paginator=paginators,
    parallel=st.integers(1, 6),
    delay=delays,
    faults=st.lists(st.sampled_from(["ok", "ok", "500", "429", "reset"]), max_size=15),
)
def test_children_come_once_each_in_the_order_of_their_parents(
    counts: list[int],
    budget_bytes: int,
    paginator: Paginator,
    parallel: int,
    delay: list[int],
    faults: list[Fault],
) -> None:
    family = Family(counts, (), "x" * 40)
    api = MemoryApi(cast("PagedRows", family), faults=faults, delays=delay)
    one, error = read(api, budget_bytes=budget_bytes, paginator=paginator, parallel=parallel)
    assert error is None
    assert one.records == [row for parent in range(len(counts)) for row in family.rows(parent)]
    assert [block.page for block in one.blocks] == sorted(block.page for block in one.blocks)


@settings(deadline=None, max_examples=100)
@given(
    counts=st.lists(st.integers(0, 11), min_size=1, max_size=14),
    broken=st.lists(st.integers(0, 13), min_size=1, max_size=3),
    budget_bytes=budgets,
    parallel=st.integers(1, 6),
    delay=delays,
)
def test_the_first_broken_chain_in_the_order_of_the_plan_is_the_error(
    counts: list[int], broken: list[int], budget_bytes: int, parallel: int, delay: list[int]
) -> None:
    family = Family(counts, broken, "x")
    api = MemoryApi(cast("PagedRows", family), delays=delay)
    one, error = read(
        api,
        budget_bytes=budget_bytes,
        paginator=CursorPaginator(cursor_path="next"),
        parallel=parallel,
    )
    first = min((parent for parent in broken if parent < len(counts)), default=len(counts))
    if first == len(counts):
        assert error is None
    else:
        assert f"team.parents with id = {first}: page 1 " in str(error)
    assert one.records == [row for parent in range(first) for row in family.rows(parent)]
