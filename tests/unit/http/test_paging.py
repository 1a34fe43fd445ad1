"""The pagers: pure machines, driven by any server that hypothesis can think of."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.chained import MAX_EMPTY
from bronze_engine.sources.http.paging.counted import AHEAD
from bronze_engine.sources.http.paging.linked import next_link
from bronze_engine.sources.http.paging.pager import Answered, Ask, Pager
from bronze_engine.sources.http.paging.pagers import make_pager

pytestmark = pytest.mark.unit

HOME = "https://api.example.com:443"
PAGE = "https://api.example.com/orders?page=1"


def pager_of(config: Paginator, warnings: list[str] | None = None) -> Pager:
    return make_pager(
        config,
        warn=(warnings if warnings is not None else []).append,
        is_allowed={HOME}.__contains__,
    )


def answered(records: int, *, link: str | None = None, **fields: Any) -> Answered:
    headers = {} if link is None else {"link": link}
    return Answered(records=records, fields=fields, url=PAGE, headers=headers)


def follow(pager: Pager, *pages: Answered) -> list[Ask | None]:
    return [pager.accept(page) for page in pages]


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
        for guess in itertools.islice(pager.guess(following), pager.ahead):
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
        for guess in itertools.islice(pager.guess(following), pager.ahead):
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
def test_an_empty_page_is_the_end(kind: Callable[..., Paginator]) -> None:
    assert pager_of(kind()).accept(answered(0)) is None


def test_a_satisfied_total_is_the_end() -> None:
    pager = pager_of(PagePaginator(total_path="total"))
    pages = [answered(2, total=4), answered(2, total=4)]
    assert [ask and ask.number for ask in follow(pager, *pages)] == [2, None]
    assert pager.mismatch() is None


def test_a_short_page_is_not_the_end_by_itself() -> None:
    pager = pager_of(PagePaginator(size_param="n", page_size=10))
    assert pager.accept(answered(3)) is not None


def test_a_short_page_is_the_end_after_a_full_one() -> None:
    pager = pager_of(PagePaginator(size_param="n", page_size=10))
    assert follow(pager, answered(10), answered(3))[-1] is None


def test_a_short_page_after_a_full_one_is_not_the_end_while_the_total_says_more() -> None:
    pager = pager_of(PagePaginator(size_param="n", page_size=10, total_path="total"))
    assert follow(pager, answered(10, total=30), answered(3, total=30))[-1] is not None


def test_a_short_page_after_an_equally_short_one_is_not_the_end() -> None:
    # The server caps at 5: that a later page has 3 says nothing, a larger one was asked for.
    pager = pager_of(PagePaginator(size_param="n", page_size=10))
    assert follow(pager, answered(5), answered(3))[-1] is not None


def test_a_short_page_is_the_end_where_configured() -> None:
    pager = pager_of(PagePaginator(size_param="n", page_size=10, stop_on_short_page=True))
    assert pager.accept(answered(3)) is None


@pytest.mark.parametrize("value", [False, "false", 0])
def test_has_more_false_is_the_end(value: object) -> None:
    pager = pager_of(PagePaginator(has_more_path="more"))
    assert pager.accept(answered(5, more=value)) is None


@pytest.mark.parametrize("value", [True, "true", 1])
def test_has_more_true_goes_on_after_a_short_page(value: object) -> None:
    pager = pager_of(PagePaginator(page_size=10, has_more_path="more", stop_on_short_page=True))
    assert pager.accept(answered(5, more=value)) is not None


@pytest.mark.parametrize("fields", [{}, {"more": None}, {"more": "perhaps"}, {"more": 7}])
def test_has_more_without_a_meaning_is_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(PageError, match='has_more_path "more"'):
        pager_of(PagePaginator(has_more_path="more")).accept(answered(5, **fields))


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
def test_an_empty_page_that_promises_more_is_an_error(kind: Callable[..., Paginator]) -> None:
    with pytest.raises(PageError, match="is empty and says that there is more"):
        pager_of(kind(has_more_path="more")).accept(answered(0, more=True))


def test_an_empty_page_of_a_chain_may_have_a_successor_where_it_says_so() -> None:
    pager = pager_of(CursorPaginator(cursor_path="next", has_more_path="more"))
    assert pager.accept(answered(0, more=True, next="B")) is not None


CHAINS: tuple[Callable[..., Paginator], ...] = (
    lambda **options: CursorPaginator(cursor_path="next", **options),
    lambda **options: NextUrlPaginator(next_path="next", **options),
    LinkHeaderPaginator,
)


def chained(records: int, name: str, **fields: Any) -> Answered:
    return answered(records, link=f"</{name}>;rel=next", next=f"/{name}", **fields)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_goes_on_while_a_page_names_another(kind: Callable[..., Paginator]) -> None:
    # Servers that filter after they cut their pages: none of these is the end.
    pager = pager_of(kind(size_param="n", page_size=5, total_path="total"))
    pages = [chained(5, "b", total=7), chained(0, "c", total=7), chained(2, "d", total=7)]
    assert None not in follow(pager, *pages)
    assert pager.accept(answered(3, total=7)) is None
    assert pager.mismatch() == "10 records were received and 7 stated"


@pytest.mark.parametrize("kind", CHAINS)
def test_a_short_page_ends_a_chain_where_configured(kind: Callable[..., Paginator]) -> None:
    pager = pager_of(kind(page_size=5, stop_on_short_page=True))
    assert [ask is None for ask in follow(pager, chained(5, "b"), chained(4, "c"))] == [False, True]


@pytest.mark.parametrize("kind", CHAINS)
def test_empty_pages_without_an_end_are_an_error(kind: Callable[..., Paginator]) -> None:
    pager = pager_of(kind())
    follow(pager, *[chained(0, str(number)) for number in range(MAX_EMPTY - 1)])
    assert pager.accept(chained(1, "full")) is not None
    follow(pager, *[chained(0, f"again{number}") for number in range(MAX_EMPTY - 1)])
    with pytest.raises(PageError, match="1,000 pages in a row are empty"):
        pager.accept(chained(0, "last"))


@pytest.mark.parametrize(
    ("records", "fields", "warns"),
    [(5, {}, True), (4, {}, False), (5, {"next": None}, False), (5, {"next": "/b"}, False)],
)
@pytest.mark.parametrize("kind", CHAINS[:2])
def test_a_path_to_the_next_page_that_leads_nowhere_is_said(
    kind: Callable[..., Paginator], records: int, fields: dict[str, Any], warns: bool
) -> None:
    warnings: list[str] = []
    pager = pager_of(kind(page_size=5), warnings)
    pager.accept(answered(records, **fields))
    assert ["next" in warning and "mend the path" in warning for warning in warnings] == [
        True
    ] * warns


def test_a_later_page_without_the_path_is_the_end_as_always() -> None:
    warnings: list[str] = []
    follow(pager_of(CHAINS[0](), warnings), chained(5, "b"), answered(5))
    assert not warnings


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator, *CHAINS])
def test_a_total_that_is_not_there_is_said(kind: Callable[..., Paginator]) -> None:
    for fields, count in (({}, 1), ({"total": None}, 0), ({"total": 9}, 0)):
        warnings: list[str] = []
        follow(pager_of(kind(total_path="total"), warnings), *[chained(2, "b", **fields)])
        assert len([text for text in warnings if 'total_path "total"' in text]) == count


def test_max_pages_ends_without_a_mismatch() -> None:
    pager = pager_of(PagePaginator(total_path="total", max_pages=2))
    asks = follow(pager, answered(2, total=99), answered(2, total=99))
    assert asks[-1] is None
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
    assert pager.ahead == AHEAD
    assert not pager.ends_at_404
    assert [guess.params["page"] for guess in pager.guess(ask)] == [1, 2]
    assert follow(pager, answered(5, pages=3), answered(5, pages=3))[-1] is None
    assert pager.mismatch() is None


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


def test_a_total_that_changed_is_a_mismatch_even_if_it_is_met() -> None:
    pager = pager_of(OffsetPaginator(total_path="total"))
    follow(pager, answered(2, total=4), answered(3, total=5))
    assert pager.mismatch() == "the stated total changed from 4 to 5"


def test_records_beyond_the_total_are_a_mismatch() -> None:
    pager = pager_of(OffsetPaginator(total_path="total"))
    pager.accept(answered(7, total=5))
    assert pager.mismatch() == "7 records were received and 5 stated"


@pytest.mark.parametrize("value", ["12", 12, 12.0])
def test_totals_may_be_texts_or_numbers(value: object) -> None:
    pager = pager_of(PagePaginator(total_path="total"))
    pager.accept(answered(1, total=value))
    assert pager.total == 12


@pytest.mark.parametrize("value", ["many", -1, 1.5, True, [], "1" * 30])
def test_a_total_that_is_no_number_is_an_error(value: object) -> None:
    with pytest.raises(PageError, match='"total" holds'):
        pager_of(PagePaginator(total_path="total")).accept(answered(1, total=value))


def test_a_total_that_is_absent_is_unknown() -> None:
    pager = pager_of(PagePaginator(total_path="total"))
    assert pager.accept(answered(1)) is not None
    assert (pager.total, pager.ahead) == (None, 1)


def test_cursors_may_be_texts_or_integers() -> None:
    config = CursorPaginator(cursor_path="next", cursor_param="c", size_param="n", page_size=3)
    pager = pager_of(config)
    assert pager.first() == Ask(number=1, params={"n": 3})
    asks = follow(pager, answered(3, next="a/b"), answered(3, next=2**70))
    assert [ask and ask.params for ask in asks] == [{"c": "a/b", "n": 3}, {"c": 2**70, "n": 3}]


@pytest.mark.parametrize("fields", [{}, {"next": None}, {"next": ""}, {"next": False}])
def test_no_cursor_is_the_end(fields: dict[str, Any]) -> None:
    assert pager_of(CursorPaginator(cursor_path="next")).accept(answered(3, **fields)) is None
    assert pager_of(NextUrlPaginator(next_path="next")).accept(answered(3, **fields)) is None


@pytest.mark.parametrize("value", [True, 1.5, [], {}])
def test_a_cursor_of_another_type_is_an_error(value: object) -> None:
    with pytest.raises(PageError, match="a cursor is a text or an integer"):
        pager_of(CursorPaginator(cursor_path="next")).accept(answered(3, next=value))
    with pytest.raises(PageError, match="not a URL"):
        pager_of(NextUrlPaginator(next_path="next")).accept(answered(3, next=value))


@pytest.mark.parametrize("names", ["AA", "ABA", "ABCB"])
def test_a_cursor_or_link_that_comes_again_is_an_error(names: str) -> None:
    for config in (
        CursorPaginator(cursor_path="next"),
        NextUrlPaginator(next_path="next"),
        LinkHeaderPaginator(),
    ):
        pager = pager_of(config)
        pages = [answered(1, next=f"/{name}", link=f"</{name}>;rel=next") for name in names]
        follow(pager, *pages[:-1])
        with pytest.raises(PageError, match="again"):
            pager.accept(pages[-1])


def test_the_last_cursor_may_come_again_with_an_empty_page() -> None:
    pager = pager_of(CursorPaginator(cursor_path="next"))
    assert follow(pager, answered(1, next="A"), answered(0, next="A"))[-1] is None


@pytest.mark.parametrize(
    "config",
    [
        CursorPaginator(cursor_path="next", has_more_path="more"),
        NextUrlPaginator(next_path="next", has_more_path="more"),
        LinkHeaderPaginator(has_more_path="more"),
    ],
)
def test_more_without_a_successor_is_an_error(config: Paginator) -> None:
    with pytest.raises(PageError, match="names no next page"):
        pager_of(config).accept(answered(3, more=True))
    assert pager_of(config).accept(answered(3, more=False, next="/B")) is None


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("?page=2", "https://api.example.com/orders?page=2"),
        ("/orders?page=2", "https://api.example.com/orders?page=2"),
        ("//api.example.com/x", "https://api.example.com/x"),
        ("https://API.example.com:443/x#top", "https://api.example.com/x"),
        (" https://api.example.com/x?sig=a%2Fb ", "https://api.example.com/x?sig=a%2Fb"),
    ],
)
def test_links_are_followed_at_home(link: str, url: str) -> None:
    ask = pager_of(NextUrlPaginator(next_path="next")).accept(answered(1, next=link))
    assert ask == Ask(number=2, url=url)


@pytest.mark.parametrize(
    "link",
    [
        "http://api.example.com/x",
        "https://api.example.com:8443/x",
        "https://evil.example.com/x",
        "https://api.example.com.evil.com/x",
        "//evil.com/x",
        "https://user@api.example.com/x",
        "https://api.example.com@evil.com/x",
        "https://api.example.com\\@evil.com/x",
        "ftp://api.example.com/x",
        "javascript:alert(1)",
        "https://[::1",
    ],
)
def test_links_that_leave_home_are_refused(link: str) -> None:
    with pytest.raises(PageError, match="next link of page 1"):
        pager_of(NextUrlPaginator(next_path="next")).accept(answered(1, next=link))


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('<a>; rel="next"', "a"),
        ("<a>; rel=next", "a"),
        ('<a>; REL="NEXT"', "a"),
        ('<p>; rel="prev", <n>; rel="next", <l>; rel="last"', "n"),
        ('<n>; title="a, b; rel=next"; rel="prev"', None),
        ('<n>; title="a, <b>; rel=next"; rel="x next"', "n"),
        ("<a,b;c>;rel=next", "a,b;c"),
        ('<n>; rel="nextish"', None),
        ("", None),
        ("nonsense; rel=next", None),
    ],
)
def test_link_headers(header: str, link: str | None) -> None:
    assert next_link(header) == link


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
