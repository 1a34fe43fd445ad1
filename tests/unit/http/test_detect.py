"""Detection: the paginator and the records of a first answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.sources.http.paging.detect import detect, paginator_of
from bronze_engine.sources.http.paging.record_list import RecordList
from tests.unit.http.first_answers import ANSWERS, Known

pytestmark = pytest.mark.unit

URL = "https://api.example.com/v1/things"
ROWS = [{"id": 1, "page": 3, "next": "https://api.example.com/v1/things/2"}, {"id": 2, "page": 4}]


@pytest.mark.parametrize("known", ANSWERS, ids=lambda known: known.name)
def test_first_answer_of_a_known_api(known: Known) -> None:
    found = detect(known.url, known.headers, known.body, json=known.json)
    assert found.best.settings == known.paginator
    assert found.best.confidence == known.confidence
    assert found.records is not None
    assert found.records.path == known.records
    paginator_of(found.best)


@pytest.mark.parametrize("known", ANSWERS, ids=lambda known: known.name)
def test_reasons_hold_no_value_of_the_answer(known: Known) -> None:
    found = detect(known.url, known.headers, known.body, json=known.json)
    texts = [value for value in _texts(known.body) if len(value) > 8]
    for candidate in found.candidates:
        assert candidate.why
        assert not [text for text in texts if text in candidate.why]


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _texts(each)]
        case list():
            return [text for each in value for text in _texts(each)]
    return []


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        pytest.param(ROWS, ["none"], id="a bare list whose records have page and next"),
        pytest.param({"data": ROWS}, ["none"], id="the same in an envelope"),
        pytest.param({"data": ROWS, "next": "later"}, ["none"], id="next is a word"),
        pytest.param({"data": ROWS, "next": None}, ["none"], id="next is null, and nothing else"),
        pytest.param({"data": ROWS, "next": ""}, ["none"], id="next is empty"),
        pytest.param({"data": ROWS, "offset": "none"}, ["none"], id="offset is a word"),
        pytest.param({"data": ROWS, "total": 2}, ["none"], id="the total is this page"),
        pytest.param({"data": ROWS, "count": 2}, ["none"], id="count is of this page"),
        pytest.param({"data": ROWS, "page": 1}, ["none"], id="a page and nothing else"),
        pytest.param({"data": ROWS, "has_more": False}, ["none"], id="no more"),
        pytest.param({"id": 1, "next": "https://x.example/2"}, ["none"], id="one object"),
        pytest.param({"data": ROWS, "total": 9}, ["page", "offset", "none"], id="only a total"),
        pytest.param(
            {"data": ROWS, "has_more": True},
            ["keyset", "page", "offset", "none"],
            id="only has_more",
        ),
    ],
)
def test_traps(body: Any, kinds: list[str]) -> None:
    found = detect(URL, {}, body)
    assert [each.settings["type"] for each in found.candidates] == kinds


@pytest.mark.parametrize(
    ("value", "is_url"),
    [
        ("https://api.example.com/v1/things?page=2", True),
        ("/v1/things?page=2", True),
        ("/v1/things/page/2", True),
        ("?page=2", True),
        ("things?page=2", True),
        ("/9j4AAQ==", False),
        ("maintenance", False),
        ("see https://example.com/docs", False),
        ("what?", False),
    ],
)
def test_a_next_url_is_told_from_words_and_tokens(value: str, is_url: bool) -> None:
    found = detect(URL, {}, {"data": ROWS, "next": value})
    assert (found.best.settings["type"] == "next_url") == is_url


def test_request_parameters_name_pages() -> None:
    found = detect(f"{URL}?pageNumber=0&pageSize=50", {}, {"data": ROWS, "total": 99})
    assert found.best.settings == {
        "type": "page",
        "page_param": "pageNumber",
        "start": 0,
        "size_param": "pageSize",
        "page_size": 50,
        "total_path": "total",
    }
    assert found.best.confidence == "likely"


def test_request_parameters_name_offsets() -> None:
    found = detect(f"{URL}?skip=0&take=50", {}, {"data": ROWS, "total": 99})
    assert found.best.settings == {
        "type": "offset",
        "offset_param": "skip",
        "size_param": "take",
        "page_size": 50,
        "total_path": "total",
    }


def test_parameters_of_a_body_stay_there() -> None:
    found = detect(URL, {}, {"data": ROWS, "total": 99}, json={"from": 0, "size": 50, "deep": {}})
    assert found.best.settings == {
        "type": "offset",
        "offset_param": "from",
        "param_in": "body",
        "size_param": "size",
        "page_size": 50,
        "total_path": "total",
    }


def test_the_parameter_that_the_request_has_takes_the_token() -> None:
    found = detect(f"{URL}?starting_after=x", {}, {"data": ROWS, "next_cursor": "abc"})
    assert found.best.settings["cursor_param"] == "starting_after"


def test_a_full_round_page_without_hints_is_told() -> None:
    found = detect(URL, {}, [{"id": number} for number in range(100)])
    assert found.best.settings == {"type": "none"}
    assert "100 records may be a page's limit" in found.best.why
    assert [each.settings["type"] for each in found.candidates] == ["none", "page", "offset"]


@pytest.mark.parametrize(
    ("url", "body", "settings"),
    [
        (
            URL,
            {"count": 9, "next": f"{URL}?page=2", "previous": None, "results": ROWS},
            {"type": "page", "total_path": "count"},
        ),
        (
            f"{URL}?page_number=0&q=x",
            {"next": "?page_number=1&q=x&size=2", "meta": {"total_pages": 5}, "data": ROWS},
            {
                "type": "page",
                "page_param": "page_number",
                "start": 0,
                "size_param": "size",
                "page_size": 2,
                "total_pages_path": "meta.total_pages",
            },
        ),
        (
            URL,
            {"count": 9, "next": f"{URL}?offset=2&limit=2", "previous": None, "results": ROWS},
            {"type": "offset", "size_param": "limit", "page_size": 2, "total_path": "count"},
        ),
    ],
)
def test_a_next_link_that_counts_is_told_as_pages_too(url: str, body: Any, settings: Any) -> None:
    best, other = detect(url, {}, body).candidates[:2]
    assert best.settings["type"] == "next_url"
    assert other.settings == settings
    assert "side by side" in other.why


@pytest.mark.parametrize(
    "body",
    [
        {"next": f"{URL}?page=2", "results": ROWS},
        {"count": 9, "next": f"{URL}?page=2&token=x", "results": ROWS},
        {"count": 9, "next": f"{URL}?offset=7", "results": ROWS},
        {"count": 9, "next": f"{URL}?page=abc", "results": ROWS},
        {"count": 9, "next": f"{URL}?page=0", "results": ROWS},
    ],
)
def test_other_next_links_are_followed_alone(body: Any) -> None:
    found = detect(URL, {}, body)
    assert not [each for each in found.candidates if "side by side" in each.why]


def test_link_header_of_the_last_page() -> None:
    found = detect(URL, {"link": f'<{URL}?page=1>; rel="first", <{URL}>; rel="prev"'}, ROWS)
    assert found.best.settings == {"type": "link_header"}
    assert found.best.confidence == "likely"


def test_link_header_for_browsers_is_none() -> None:
    found = detect(URL, {"link": "</style.css>; rel=preload; as=style"}, ROWS)
    assert found.best.settings == {"type": "none"}


def test_last_page_of_a_locator() -> None:
    found = detect(URL, {"sforce-locator": "null"}, ROWS)
    assert found.best.settings["type"] == "header_cursor"
    assert found.best.confidence == "likely"


@pytest.mark.parametrize("name", ["set-cookie", "x-csrf-token", "authorization", "x-auth-token"])
def test_other_tokens_in_headers_are_no_cursors(name: str) -> None:
    assert detect(URL, {name: "abc123"}, ROWS).best.settings == {"type": "none"}


def test_records_that_are_known_are_not_looked_for() -> None:
    body = {"data": ROWS, "other": [{"id": 1}]}
    found = detect(URL, {}, body, records=RecordList("other", 1, {"id": 1}))
    assert found.records == RecordList("other", 1, {"id": 1})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"things": [{"id": 1}], "data": [{"id": 1}]}, "things"),
        ({"errors": [{"a": 1}], "data": []}, "data"),
        ({"items": [], "defaultReminders": [{"minutes": 1}]}, "items"),
        ({"tags": ["a", "b"], "orders": [{"id": 1}]}, "orders"),
        ({"response": {"data": {"rows": [{"id": 1}]}}, "labels": ["a"]}, "response.data.rows"),
        ({"values": [["a", 1], ["b", 2]]}, "values"),
        ({"a.b": [{"id": 1}], "list": [{"id": 1}]}, "list"),
    ],
)
def test_the_list_of_records(body: Any, path: str) -> None:
    found = detect(URL, {}, body)
    assert found.records is not None
    assert found.records.path == path


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "next", "links", "meta", "page", "total", "cursor", "pageInfo", "offset"]
            )
            | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_any_body_has_a_verdict_that_is_a_paginator(body: Any) -> None:
    found = detect(URL, {}, body)
    for candidate in found.candidates:
        paginator_of(candidate)
