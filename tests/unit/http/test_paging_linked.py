"""The pagers that follow URLs of the server."""

from __future__ import annotations

import pytest

from bronze_engine.config.http.paginator import NextUrlPaginator
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.linked import next_link
from bronze_engine.sources.http.paging.pager import Ask
from tests.unit.http.pagers import answered, pager_of

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
        ("", None),
        ("nonsense; rel=next", None),
    ],
)
def test_link_headers(header: str, link: str | None) -> None:
    assert next_link(header) == link
