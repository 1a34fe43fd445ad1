"""`auto`: the paginator that a first answer speaks of, under the limits of the configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.auto import AutoPager, chosen, told
from bronze_engine.sources.http.paging.detect import Candidate
from bronze_engine.sources.http.paging.pager import Ask
from tests.unit.http.pagers import answered, pager_of

pytestmark = pytest.mark.unit

URL = "https://api.example.com/orders"
ROWS = [{"id": number} for number in range(1, 6)]
LIMITED = AutoPaginator(max_pages=3, max_records=7, size_param="n", page_size=5)


def found(
    body: Any,
    config: AutoPaginator = LIMITED,
    *,
    headers: dict[str, str] | None = None,
    sent: object = None,
    records: object = "data",
) -> tuple[Paginator, Candidate]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return chosen(config, text, url=URL, headers=headers or {}, sent=sent, records=records)


def test_what_is_found_has_the_limits_of_the_configuration() -> None:
    paginator, _ = found({"data": ROWS, "links": {"next": f"{URL}?page=2"}})
    assert paginator == NextUrlPaginator(
        next_path="links.next", max_pages=3, max_records=7, size_param="n", page_size=5
    )


def test_sizes_that_the_request_has_are_kept() -> None:
    config = AutoPaginator()
    body = json.dumps({"data": ROWS}).encode()
    headers = {"link": '</orders?page=2>; rel="next"'}
    paginator, _ = chosen(
        config, body, url=f"{URL}?per_page=5", headers=headers, sent=None, records="data"
    )
    assert paginator == LinkHeaderPaginator(size_param="per_page", page_size=5)


def test_one_list_and_nothing_else_is_no_paginator() -> None:
    paginator, why = found(ROWS, records=None)
    assert paginator == NoPaginator(max_records=7)
    assert told(why).startswith('paginator "auto" reads by { type = "none" } (likely): ')


@pytest.mark.parametrize("body", [b"no JSON", b"", b'{"a": \xff}', b"[" * 100_000])
def test_a_body_that_is_no_json_speaks_by_its_headers(body: bytes) -> None:
    assert isinstance(found(body)[0], NoPaginator)
    paginator, _ = found(body, headers={"link": '</orders?page=2>; rel="next"'})
    assert isinstance(paginator, LinkHeaderPaginator)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"data": ROWS, "page": 1, "total_pages": 9}, PagePaginator),
        ({"data": ROWS, "object": "list", "has_more": True}, KeysetPaginator),
        ({"data": ROWS, "next_cursor": "a1B2c3D4"}, CursorPaginator),
    ],
)
def test_who_was_asked_by_a_body_is_asked_on_by_it(body: Any, kind: type[Any]) -> None:
    for sent, place in ((None, "query"), ({"filter": "x"}, "body")):
        paginator, _ = found(body, sent=sent)
        assert isinstance(paginator, kind)
        assert getattr(paginator, "param_in", None) == place


def test_the_records_may_be_selected_by_any_path() -> None:
    for records in (None, "$.data[*]", ["data", "more"], "data"):
        paginator, _ = found({"data": ROWS, "next": f"{URL}?page=2"}, records=records)
        assert isinstance(paginator, NextUrlPaginator)


def test_the_pager_is_the_one_found_once_it_is_settled() -> None:
    auto = pager_of(LIMITED)
    assert isinstance(auto, AutoPager)
    assert auto.first() == Ask(number=1, params={"n": 5})
    assert (auto.params, auto.sizes, auto.fields) == (frozenset({"n"}), frozenset({"n"}), ())
    assert (auto.max_records, auto.key, auto.total, auto.ahead) == (7, None, None, 1)
    auto.settle(pager_of(PagePaginator(total_path="t", size_param="n", page_size=5, parallel=3)))
    assert auto.params == frozenset({"page", "n"})
    assert auto.fields == ("t",)
    assert auto.ends_at_404
    ask = auto.accept(answered(5, t=12))
    assert ask == Ask(number=2, params={"page": 2, "n": 5})
    assert (auto.total, auto.ahead, auto.ends_at_404) == (12, 3, False)
    assert [guess.number for guess in auto.guess(ask)] == [2, 3]
    assert auto.mismatch() == "5 records were received and 12 stated"
    auto.settle(pager_of(KeysetPaginator(param="after")))
    assert auto.key == "id"


def test_a_first_page_without_a_size_has_no_parameters() -> None:
    assert pager_of(AutoPaginator()).first() == Ask(number=1)
