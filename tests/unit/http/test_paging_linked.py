"""The pagers that follow URLs of the server."""

from __future__ import annotations

import pytest

from bronze_engine.config.http.paginator import NextUrlPaginator
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.linked import NextUrlPager, next_link
from bronze_engine.sources.http.paging.pager import Ask
from tests.unit.http.pagers import HOME, answered, follow, pager_of

pytestmark = pytest.mark.unit


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


NEXT = {"rel": "next", "href": "?page=2"}


@pytest.mark.parametrize(
    "value",
    [
        {"href": "?page=2", "meta": {"count": 9}},
        {"url": "?page=2"},
        [{"rel": "self", "href": "?page=1"}, NEXT],
        [{"relation": "self", "url": "x"}, {"relation": "Next", "url": "?page=2"}],
        [{"rel": ["last", "next"], "uri": "?page=2"}],
    ],
)
def test_the_next_url_may_stand_in_a_link_or_in_a_list_of_links(value: object) -> None:
    pager = pager_of(NextUrlPaginator(next_path="links"))
    ask = pager.accept(answered(1, links=value))
    assert ask == Ask(number=2, url="https://api.example.com/orders?page=2")


@pytest.mark.parametrize("value", [[], [{"rel": "self", "href": "x"}], [{**NEXT, "href": None}]])
def test_links_without_a_next_one_are_the_end(value: object) -> None:
    warnings: list[str] = []
    pager = pager_of(NextUrlPaginator(next_path="links"), warnings)
    assert pager.accept(answered(1, links=value)) is None
    assert warnings == []


@pytest.mark.parametrize("value", [7, {"next": "?page=2"}, ["?page=2"], [{"href": "?page=2"}]])
def test_what_is_no_link_is_not_taken_for_the_end(value: object) -> None:
    with pytest.raises(PageError, match='next_path "links" holds'):
        pager_of(NextUrlPaginator(next_path="links")).accept(answered(1, links=value))


PLAIN = "http://api.example.com:80"


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("http://api.example.com/x?a=1", "https://api.example.com/x?a=1"),
        ("http://API.example.com:80/x", "https://api.example.com/x"),
    ],
)
def test_a_link_by_http_that_is_allowed_is_asked_for_by_https(link: str, asked: str) -> None:
    pager = NextUrlPager(NextUrlPaginator(next_path="next"), print, {HOME, PLAIN}.__contains__)
    assert pager.accept(answered(1, next=link)) == Ask(number=2, url=asked)
    with pytest.raises(PageError, match="add it to allowed_origins; it is then asked for by https"):
        pager_of(NextUrlPaginator(next_path="next")).accept(answered(1, next=link))


def test_a_link_by_http_to_another_host_stays_as_it_is() -> None:
    allowed = {HOME, "http://files.example.com:80", "http://api.example.com:8080"}
    pager = NextUrlPager(NextUrlPaginator(next_path="next"), print, allowed.__contains__)
    links = ["http://files.example.com/x", "http://api.example.com:8080/x"]
    asks = follow(pager, *[answered(1, next=link) for link in links])
    assert [ask and ask.url for ask in asks] == links


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
        ("<a>; rel='next'", "a"),
        ("<a>; rel='last next'; title='it,s'", "a"),
        ('<a>;; crossorigin; rel="next";', "a"),
        ('<p>; rel="prev"; rel="next", <n>; rel="next"', "n"),
        ('<n>; rel="nextish"', None),
        ('<p>; rel="previous"; results="false", <n>; rel="next"; results="true"', "n"),
        ('<p>; rel="previous"; results="true", <n>; rel="next"; results="false"', None),
        ("", None),
        ("nonsense; rel=next", None),
    ],
)
def test_link_headers(header: str, link: str | None) -> None:
    assert next_link(header) == link
