"""The pagers whose next page only the one before can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    Paginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.chained import MAX_EMPTY
from bronze_engine.sources.http.paging.pager import Ask
from tests.unit.http.pagers import CHAINS, answered, chained, follow, pager_of

pytestmark = pytest.mark.unit


def test_an_empty_page_of_a_chain_may_have_a_successor_where_it_says_so() -> None:
    pager = pager_of(CursorPaginator(cursor_path="next", has_more_path="more"))
    assert pager.accept(answered(0, more=True, next="B")) is not None


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


@pytest.mark.parametrize(
    ("paginator", "headers", "records", "is_told"),
    [
        (HeaderCursorPaginator(cursor_header="X-Nxt"), {}, 3, True),
        (HeaderCursorPaginator(cursor_header="X-Nxt"), {}, 0, False),
        (HeaderCursorPaginator(cursor_header="X-Next", page_size=4), {}, 3, False),
        (HeaderCursorPaginator(cursor_header="X-Next"), {"x-next": ""}, 3, False),
        (LinkHeaderPaginator(page_size=3), {}, 3, True),
        (LinkHeaderPaginator(page_size=3), {"link": '<a>; rel="last"'}, 3, False),
        (LinkHeaderPaginator(page_size=4), {}, 3, False),
        (LinkHeaderPaginator(), {}, 3, False),
    ],
)
def test_a_first_page_without_the_header_is_told(
    paginator: Paginator, headers: dict[str, str], records: int, is_told: bool
) -> None:
    warnings: list[str] = []
    pager = pager_of(paginator, warnings)
    assert pager.accept(answered(records, headers=headers)) is None
    assert ["is not in the first page" in warning for warning in warnings] == [True] * is_told


@pytest.mark.parametrize("value", [True, 1.5, ["x"], {}])
def test_a_cursor_of_another_type_is_an_error(value: object) -> None:
    with pytest.raises(PageError, match="a cursor is a text or an integer"):
        pager_of(CursorPaginator(cursor_path="next")).accept(answered(3, next=value))
    with pytest.raises(PageError, match="not a URL"):
        pager_of(NextUrlPaginator(next_path="next")).accept(answered(3, next=value))


@pytest.mark.parametrize("names", ["AA", "ABA", "ABCB"])
def test_a_cursor_or_link_that_comes_again_is_an_error(names: str) -> None:
    for kind in CHAINS:
        pager = pager_of(kind())
        pages = [chained(1, name) for name in names]
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


def test_a_header_carries_the_cursor() -> None:
    pager = pager_of(
        HeaderCursorPaginator(cursor_header="X-Next", cursor_param="c", size_param="n", page_size=3)
    )
    assert pager.first() == Ask(number=1, params={"n": 3})
    asks = follow(pager, answered(3, headers={"x-next": " a/b "}))
    assert asks == [Ask(number=2, params={"c": "a/b", "n": 3})]


@pytest.mark.parametrize("headers", [{}, {"x-next": ""}, {"x-next": " "}, {"x-next": "null"}])
def test_no_cursor_in_the_header_is_the_end(headers: dict[str, str]) -> None:
    pager = pager_of(HeaderCursorPaginator(cursor_header="X-NEXT"))
    assert follow(pager, answered(3, headers={"x-next": "b"}), answered(3, headers=headers)) == [
        Ask(number=2, params={"cursor": "b"}),
        None,
    ]


def keyset(**options: Any) -> KeysetPaginator:
    return KeysetPaginator(param="after", **options)


def test_the_last_record_asks_for_the_next_page() -> None:
    pager = pager_of(keyset(size_param="n", page_size=2))
    assert pager.key == "id"
    assert pager.first() == Ask(number=1, params={"n": 2})
    asks = follow(pager, answered(2, last=2**70), answered(2, last="b"), answered(0))
    assert asks == [
        Ask(number=2, params={"after": 2**70, "n": 2}),
        Ask(number=3, params={"after": "b", "n": 2}),
        None,
    ]


def test_a_keyset_ends_where_the_server_says_so() -> None:
    pager = pager_of(keyset(has_more_path="more"))
    asks = follow(pager, answered(2, last=1, more=True), answered(1, last=2, more=False))
    assert [ask is None for ask in asks] == [False, True]


def test_a_keyset_ends_at_a_short_page_only_where_configured() -> None:
    pages = [answered(2, last=1), answered(1, last=2)]
    for configured in (False, True):
        pager = pager_of(keyset(size_param="n", page_size=2, stop_on_short_page=configured))
        assert [ask is None for ask in follow(pager, *pages)] == [False, configured]


def test_a_total_ends_no_keyset() -> None:
    # Behind such a filter the server may count what is left.
    pager = pager_of(keyset(total_path="total"))
    assert None not in follow(pager, answered(2, last=1, total=3), answered(2, last=2, total=1))
    assert pager.mismatch() == "the stated total changed from 3 to 1"


@pytest.mark.parametrize("last", [None, True, False])
def test_a_last_record_without_the_key_is_an_error(last: object) -> None:
    with pytest.raises(PageError, match='the last record of page 1 has no value at "id"'):
        pager_of(keyset()).accept(answered(2, last=last))


@pytest.mark.parametrize("last", [1.5, [], {}, "", msgspec.Raw(b"[1]")])
def test_a_key_of_another_type_is_an_error(last: object) -> None:
    with pytest.raises(PageError, match="a key is a text or a whole number"):
        pager_of(keyset()).accept(answered(2, last=last))


@pytest.mark.parametrize("keys", [[1, 1], [1, 2, 1], ["a", "b", "a"]])
def test_a_key_that_comes_again_is_an_error(keys: list[object]) -> None:
    pager = pager_of(keyset())
    follow(pager, *[answered(2, last=key) for key in keys[:-1]])
    with pytest.raises(PageError, match=f"page {len(keys)} names the key .* again"):
        pager.accept(answered(2, last=keys[-1]))


def test_an_empty_page_of_a_keyset_that_promises_more_is_an_error() -> None:
    pager = pager_of(keyset(has_more_path="more"))
    with pytest.raises(PageError, match="an empty page names no next page"):
        pager.accept(answered(0, more=True))


GRAPHQL = GraphqlPaginator(page_size=50)
INFO = "data.shop.orders.pageInfo"


@pytest.mark.parametrize(
    ("path", "records"),
    [
        (None, "data.shop.orders.nodes"),
        (None, "data.shop.orders.edges"),
        (None, "$.data.shop.orders.edges[*].node"),
        (None, "$.data.shop.orders.nodes[*]"),
        (INFO, ["data.shop.orders.nodes", "data.shop.orders.more"]),
        (INFO, None),
    ],
)
def test_graphql_follows_page_info(path: str | None, records: object) -> None:
    config = GraphqlPaginator(page_size=50, page_info_path=path)
    pager = pager_of(config, records=records)
    assert pager.first() == Ask(number=1, params={"variables.first": 50})
    more: dict[str, Any] = {f"{INFO}.hasNextPage": True, f"{INFO}.endCursor": "abc="}
    end: dict[str, Any] = {f"{INFO}.hasNextPage": False, f"{INFO}.endCursor": "xyz="}
    asks = follow(pager, answered(50, **more), answered(3, **end))
    assert asks == [
        Ask(number=2, params={"variables.after": "abc=", "variables.first": 50}),
        None,
    ]


def test_graphql_names_its_variables() -> None:
    config = GraphqlPaginator(page_info_path=INFO, variable="cursor", size_variable="n")
    pager = pager_of(config)
    assert pager.first() == Ask(number=1)
    fields: dict[str, Any] = {f"{INFO}.hasNextPage": True, f"{INFO}.endCursor": "b"}
    assert pager.accept(answered(1, **fields)) == Ask(number=2, params={"variables.cursor": "b"})


@pytest.mark.parametrize(
    "fields", [{}, {f"{INFO}.endCursor": "b"}, {f"{INFO}.hasNextPage": "perhaps"}]
)
def test_graphql_without_page_info_is_an_error(fields: dict[str, Any]) -> None:
    pager = pager_of(GraphqlPaginator(page_info_path=INFO))
    with pytest.raises(PageError, match=f'has_more_path "{INFO}.hasNextPage"'):
        pager.accept(answered(1, **fields))


def test_graphql_that_has_more_and_no_cursor_is_an_error() -> None:
    pager = pager_of(GraphqlPaginator(page_info_path=INFO))
    fields: dict[str, Any] = {f"{INFO}.hasNextPage": True, f"{INFO}.endCursor": None}
    with pytest.raises(PageError, match="names no next page"):
        pager.accept(answered(1, **fields))
