"""URLs put together, and the origins that they lead to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.url import build_url, origin_of, parse_origin

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("base", "path", "params", "url"),
    [
        ("http://h", "", {}, "http://h"),
        ("http://h/v1/", "/x", {}, "http://h/v1/x"),
        ("http://h/v1", "x/", {"a": 1}, "http://h/v1/x/?a=1"),
        (
            "http://h?k=1",
            "/x?y=2",
            {"a": [1, "b"], "c": False},
            "http://h/x?k=1&y=2&a=1&a=b&c=false",
        ),
        ("http://h", "", {"a b": "c/d+e&f"}, "http://h?a%20b=c%2Fd%2Be%26f"),
        ("http://h", "", {"none": []}, "http://h"),
    ],
)
def test_urls_are_joined(base: str, path: str, params: dict[str, Any], url: str) -> None:
    assert build_url(base, path, params) == url


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h/x", "http://h:80"),
        ("https://H:443", "https://h:443"),
        ("https://h:8443", "https://h:8443"),
        ("https://ü.example", "https://xn--tda.example:443"),
    ],
)
def test_origins_are_compared_in_one_form(url: str, origin: str) -> None:
    assert origin_of(httpx.URL(url)) == parse_origin(url) == origin


@pytest.mark.parametrize("text", ["", "h", "h:80", "ftp://h", "https://", "https://h:x"])
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        parse_origin(text)
