"""The pagers: pure machines, driven by any server that hypothesis can think of."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.pager import Answered, Ask
from tests.unit.http.pagers import answered, follow, pager_of

pytestmark = pytest.mark.unit


class Rows:
    """A server of `count` rows that never gives more than `cap` a page."""

    def __init__(self, count: int, cap: int, default: int, total: bool) -> None:
        self.count, self.cap, self.default, self.total = count, cap, default, total
        self.asked = 0

    def answer(self, ask: Ask) -> tuple[list[int], Answered]:
        self.asked += 1
        size = min(int(ask.params.get("limit", self.default)), self.cap)
        if "offset" in ask.params:
            start = int(ask.params["offset"])
        else:
            start = (int(ask.params["page"]) - 1) * size
        rows = list(range(self.count))[start : start + size]
        fields: dict[str, object] = {"total": self.count} if self.total else {}
        return rows, Answered(records=len(rows), fields=fields)


@given(
    count=st.integers(0, 60),
    cap=st.integers(1, 20),
    default=st.integers(1, 20),
    asked=st.none() | st.integers(1, 30),
    total=st.booleans(),
    by_offset=st.booleans(),
    parallel=st.none() | st.integers(1, 8),
    is_short_last=st.booleans(),
)
def test_every_row_comes_once_and_in_order_whatever_the_sizes(
    count: int,
    cap: int,
    default: int,
    asked: int | None,
    total: bool,
    by_offset: bool,
    parallel: int | None,
    is_short_last: bool,
) -> None:
    """Reads with guesses, and accepts them only where the machine asks for just that."""
    kind: Callable[..., Paginator] = OffsetPaginator if by_offset else PagePaginator
    # A short page is a sign of the end only where the size asked for is ever given.
    honest = asked is not None and asked <= cap
    config = kind(
        size_param="limit" if asked else None,
        page_size=asked,
        total_path="total" if total else None,
        stop_on_short_page=is_short_last and honest,
        parallel=parallel,
    )
    server = Rows(count, cap, default, total)
    pager = pager_of(config)
    rows, page = server.answer(pager.first())
    received = rows
    following = pager.accept(page)
    while following is not None:
        for guess in itertools.islice(pager.guess(following), pager.ahead or 64):
            rows, page = server.answer(guess)
            if guess != following:
                break
            received += rows
            following = pager.accept(page)
            if following is None:
                break
    assert received == list(range(count))
    assert pager.mismatch() is None
    full_pages = count // min(cap, asked or default) + 2
    assert server.asked <= full_pages + 1


@given(
    lengths=st.lists(st.integers(1, 10), min_size=1, max_size=10),
    asked=st.integers(1, 10),
    parallel=st.none() | st.integers(1, 8),
)
def test_offsets_follow_pages_of_any_length(
    lengths: list[int], asked: int, parallel: int | None
) -> None:
    """A server that hides some rows of each page, so that no page is as long as foreseen."""
    rows = list(range(sum(lengths)))
    config = OffsetPaginator(
        size_param="limit", page_size=asked, total_path="total", parallel=parallel
    )
    pager = pager_of(config)

    def serve(ask: Ask) -> list[int]:
        start = int(ask.params["offset"])
        length = min(int(ask.params["limit"]), lengths[start % len(lengths)])
        return rows[start : start + length]

    received: list[int] = []
    following: Ask | None = pager.first()
    while following is not None:
        for guess in itertools.islice(pager.guess(following), pager.ahead or 64):
            if guess != following:
                break
            page = serve(guess)
            received += page
            following = pager.accept(answered(len(page), total=len(rows)))
            if following is None:
                break
    assert received == rows
    assert pager.mismatch() is None


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
def test_guesses_end_at_max_pages(kind: Callable[..., Paginator]) -> None:
    pager = pager_of(kind(parallel=4, max_pages=3))
    ask = pager.accept(answered(5))
    assert ask is not None
    assert [guess.number for guess in pager.guess(ask)] == [2, 3]


def test_pages_are_numbered_from_start() -> None:
    pager = pager_of(PagePaginator(page_param="p", start=0, size_param="n", page_size=7))
    assert pager.first().params == {"p": 0, "n": 7}
    ask = pager.accept(answered(7))
    assert ask == Ask(number=2, params={"p": 1, "n": 7})


def test_total_pages_is_the_end_and_lets_pages_be_guessed() -> None:
    pager = pager_of(PagePaginator(start=0, total_pages_path="pages"))
    ask = pager.accept(answered(5, pages=3))
    assert ask is not None
    assert pager.ahead is None
    assert not pager.ends_at_404
    assert [guess.params["page"] for guess in pager.guess(ask)] == [1, 2]
    assert follow(pager, answered(5, pages=3), answered(5, pages=3))[-1] is None
    assert pager.mismatch() is None


def test_records_where_no_pages_are_stated_are_a_mismatch() -> None:
    pager = pager_of(PagePaginator(total_pages_path="pages"))
    assert pager.accept(answered(5, pages=0)) is None
    assert pager.mismatch() == "5 records were received and 0 pages stated"
    empty = pager_of(PagePaginator(total_pages_path="pages"))
    assert empty.accept(answered(0, pages=0)) is None
    assert empty.mismatch() is None


def test_a_changed_number_of_pages_is_a_mismatch() -> None:
    pager = pager_of(PagePaginator(total_pages_path="pages"))
    follow(pager, answered(5, pages=2), answered(5, pages="3"), answered(5, pages=3.0))
    assert pager.mismatch() == "the stated number of pages changed from 2 to 3"


def test_offsets_step_by_the_records_received() -> None:
    pager = pager_of(OffsetPaginator(start=100, size_param="n", page_size=10))
    assert pager.first().params == {"offset": 100, "n": 10}
    asks = follow(pager, answered(10), answered(10))
    assert [ask and ask.params["offset"] for ask in asks] == [110, 120]
    assert all(ask is not None and ask.params["n"] == 10 for ask in asks)


def test_a_short_page_amid_offsets_is_told_once() -> None:
    warnings: list[str] = []
    pager = pager_of(OffsetPaginator(page_size=10, total_path="t"), warnings)
    follow(pager, answered(10, t=50), answered(9, t=50), answered(8, t=50), answered(10, t=50))
    assert len(warnings) == 1
    assert "page 2 has 9 records where the one before had 10, and more follow" in warnings[0]
    quiet: list[str] = []
    follow(pager_of(OffsetPaginator(total_path="t"), quiet), answered(10, t=13), answered(3, t=13))
    follow(pager_of(OffsetPaginator(), quiet), answered(10), answered(3), answered(0))
    assert quiet == []


def test_without_a_total_reading_ahead_is_off_unless_asked_for() -> None:
    for kind in (PagePaginator, OffsetPaginator):
        assert pager_of(kind()).ahead == 1
        assert pager_of(kind(total_path="total")).ahead == 1  # before page 1
        assert pager_of(kind(parallel=7)).ahead == 7
        assert not pager_of(kind()).ends_at_404
        assert pager_of(kind(parallel=7)).ends_at_404
        stated = pager_of(kind(total_path="total", parallel=7))
        stated.accept(answered(1, total=5))
        assert (stated.ahead, stated.ends_at_404) == (7, False)


def test_404_past_the_end_is_the_end() -> None:
    for kind in (PagePaginator, OffsetPaginator):
        pager = pager_of(kind(parallel=2))
        pager.accept(answered(5))
        assert pager.accept(Answered(records=0, is_past_end=True)) is None
        assert pager.mismatch() is None


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
def test_a_first_page_smaller_than_asked_for_corrects_the_size(
    kind: Callable[..., Paginator],
) -> None:
    warnings: list[str] = []
    pager = pager_of(kind(size_param="n", page_size=100, total_path="total"), warnings)
    ask = pager.accept(answered(10, total=35))
    assert ask is not None
    guesses = list(pager.guess(ask))
    assert len(guesses) == 3
    if kind is OffsetPaginator:
        assert [guess.params for guess in guesses] == [
            {"offset": offset, "n": 10} for offset in (10, 20, 30)
        ]
    else:
        assert [guess.params["page"] for guess in guesses] == [2, 3, 4]
    assert len(warnings) == 1
    assert "asked for 100 records a page, the first page has 10 of 35" in warnings[0]


def test_a_whole_small_result_warns_of_nothing() -> None:
    warnings: list[str] = []
    pager = pager_of(PagePaginator(size_param="n", page_size=100, total_path="total"), warnings)
    assert pager.accept(answered(10, total=10)) is None
    assert warnings == []


def test_no_paginator_asks_once() -> None:
    pager = pager_of(NoPaginator())
    assert pager.first() == Ask(number=1)
    assert pager.accept(answered(5)) is None
    assert (pager.ahead, pager.total, pager.mismatch(), pager.fields) == (1, None, None, ())


def test_pagers_name_their_parameters_and_fields() -> None:
    sized: dict[str, Any] = {"size_param": "n", "total_path": "t", "has_more_path": "m"}
    page = pager_of(PagePaginator(page_param="p", total_pages_path="tp", **sized))
    assert (page.params, page.fields) == (frozenset({"p", "n"}), ("t", "m", "tp"))
    offset = pager_of(OffsetPaginator(offset_param="o", **sized))
    assert (offset.params, offset.fields) == (frozenset({"o", "n"}), ("t", "m"))
    cursor = pager_of(CursorPaginator(cursor_path="c", cursor_param="cp", **sized))
    assert (cursor.params, cursor.fields) == (frozenset({"cp", "n"}), ("t", "m", "c"))
    link = pager_of(NextUrlPaginator(next_path="next", **sized))
    assert (link.params, link.fields) == (frozenset({"n"}), ("t", "m", "next"))
    header = pager_of(HeaderCursorPaginator(cursor_header="X", cursor_param="cp", **sized))
    assert (header.params, header.fields) == (frozenset({"cp", "n"}), ("t", "m"))
    keyset = pager_of(KeysetPaginator(key="a.id", param="after", **sized))
    assert (keyset.params, keyset.fields) == (frozenset({"after", "n"}), ("t", "m"))
    assert {pager.key for pager in (page, offset, cursor, link, header)} == {None}
    assert keyset.key == "a.id"
    graphql = pager_of(GraphqlPaginator(page_size=5, total_path="t"), records="data.x.nodes")
    assert graphql.params == frozenset({"variables.after", "variables.first"})
    info = ("data.x.pageInfo.hasNextPage", "data.x.pageInfo.endCursor")
    assert graphql.fields == ("t", *info)
    for pager in (page, offset, cursor, link, header, keyset):
        assert pager.sizes == frozenset({"n"})
    assert graphql.sizes == frozenset({"variables.first"})


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
@pytest.mark.parametrize("total", [None, 99])
def test_guesses_end_at_max_records(kind: Callable[..., Paginator], total: int | None) -> None:
    pager = pager_of(kind(parallel=4, max_records=12, total_path="total"))
    ask = pager.accept(answered(5, total=total))
    assert ask is not None
    assert [guess.number for guess in pager.guess(ask)] == [2, 3]
