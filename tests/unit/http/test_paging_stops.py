"""When a reading ends, and what contradicts itself there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bronze_engine.config.http.paginator import (
    KeysetPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.errors import PageError
from tests.unit.http.pagers import CHAINS, answered, chained, follow, pager_of

pytestmark = pytest.mark.unit


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


@pytest.mark.parametrize(
    ("records", "warns"), [(100, True), (99, False), (0, False), (1000, False)]
)
def test_a_short_first_page_that_may_be_all_a_server_gives_is_said(
    records: int, warns: bool
) -> None:
    """Of 1,050 records 100 landed, without a word."""
    warnings: list[str] = []
    pager = pager_of(PagePaginator(page_size=1000, stop_on_short_page=True), warnings)
    pager.accept(answered(records))
    assert [("set page_size = 100" in text) for text in warnings] == [True] * warns


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


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator, *CHAINS])
def test_is_last_true_is_the_end_whatever_page_is_named(kind: Callable[..., Paginator]) -> None:
    pager = pager_of(kind(is_last_path="end_of_stream"))
    asks = follow(pager, chained(5, "b", end_of_stream=False), chained(5, "c", end_of_stream=True))
    assert [ask is None for ask in asks] == [False, True]
    with pytest.raises(PageError, match='no value at is_last_path "end_of_stream"'):
        pager_of(kind(is_last_path="end_of_stream")).accept(chained(5, "b"))


@pytest.mark.parametrize(
    ("headers", "total"),
    [
        ({"x-total-count": "12"}, 12),
        ({"x-total-count": "items 0-4/12"}, 12),
        ({"x-total-count": "0-4/*"}, None),
        ({"x-total-count": ""}, None),
    ],
)
def test_a_header_may_state_the_total(headers: dict[str, str], total: int | None) -> None:
    pager = pager_of(OffsetPaginator(total_header="X-Total-Count"))
    assert pager.accept(answered(5, headers=headers)) is not None
    assert (pager.total, pager.ahead) == (total, 1 if total is None else None)
    assert pager.accept(answered(7, headers=headers)) is None or total is None
    assert pager.mismatch() is None


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator, *CHAINS])
def test_a_header_without_the_total_is_said(kind: Callable[..., Paginator]) -> None:
    warnings: list[str] = []
    pager_of(kind(total_header="X-Total"), warnings).accept(chained(2, "b"))
    assert sum('total_header "X-Total" is not in the first page' in each for each in warnings) == 1
    with pytest.raises(PageError, match='"X-Total" holds'):
        pager_of(kind(total_header="X-Total")).accept(answered(1, headers={"x-total": "many"}))


def test_a_header_may_state_the_number_of_pages() -> None:
    """WordPress answers 400 behind its last page."""
    pager = pager_of(PagePaginator(total_pages_header="X-WP-TotalPages"))
    headers = {"x-wp-totalpages": "2"}
    assert pager.accept(answered(5, headers=headers)) is not None
    assert pager.ahead is None
    assert pager.accept(answered(5, headers=headers)) is None


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
def test_an_empty_page_that_promises_more_is_an_error(kind: Callable[..., Paginator]) -> None:
    with pytest.raises(PageError, match="is empty and says that there is more"):
        pager_of(kind(has_more_path="more")).accept(answered(0, more=True))


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


@pytest.mark.parametrize("kind", [PagePaginator, OffsetPaginator])
def test_a_satisfied_total_is_not_the_end_while_there_is_more(
    kind: Callable[..., Paginator],
) -> None:
    # One of the two lies: reading on shows which, and costs a request only then.
    pager = pager_of(kind(total_path="total", has_more_path="more"))
    asks = follow(pager, answered(4, total=4, more=True), answered(2, total=4, more=False))
    assert [ask is None for ask in asks] == [False, True]
    assert pager.mismatch() == "6 records were received and 4 stated"


@pytest.mark.parametrize("relation", ["eq", "gte"])
def test_a_total_that_is_a_lower_bound_ends_nothing(relation: str) -> None:
    warnings: list[str] = []
    pager = pager_of(OffsetPaginator(total_path="hits.total.value"), warnings)
    assert pager.fields == ("hits.total.value", "hits.total.relation")
    fields: dict[str, Any] = {"hits.total.value": 4, "hits.total.relation": relation}
    asks = follow(pager, answered(2, **fields), answered(2, **fields))
    assert [ask is None for ask in asks] == [False, relation == "eq"]
    assert pager.total == (4 if relation == "eq" else None)
    assert pager.mismatch() is None
    assert len(warnings) == (relation == "gte")


@pytest.mark.parametrize(
    "kind",
    [PagePaginator, OffsetPaginator, *CHAINS, lambda **o: KeysetPaginator(param="after", **o)],
)
def test_max_records_end_without_a_mismatch(kind: Callable[..., Paginator]) -> None:
    pager = pager_of(kind(total_path="total", max_records=5))
    assert pager.max_records == 5
    asks = follow(
        pager,
        chained(3, "b", total=99, last=1),
        chained(2, "c", total=99, last=2),
    )
    assert [ask is None for ask in asks] == [False, True]
    assert pager.mismatch() is None
