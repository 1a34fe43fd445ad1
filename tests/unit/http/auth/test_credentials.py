"""Credentials go to their own origin alone, whole, and as they are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.auths.auth import ApiKeyAuth, BearerAuth
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.auth.credentials import Credentials
from tests.unit.http.shop import api

pytestmark = pytest.mark.unit


_PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"base_url": "api.example.com"}, "is no http or https URL"),
        ({"base_url": "ftp://h"}, "is no http or https URL"),
        ({"base_url": "http://h:x"}, "is no http or https URL"),
        ({"base_url": "http://user:canary@h"}, "holds a user name"),
        ({"headers": {"X-Key": Secret("canary\n")}}, "'X-Key' holds a character"),
        ({"headers": {"X-Kéy": Secret("canary")}}, "holds a character"),
        ({"auth": BearerAuth(token=Secret("canary\r\nX: y"))}, "'Authorization' holds"),
    ],
)
def test_what_can_not_be_sent_is_a_config_error(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        Credentials(api(**fields))
    assert "canary" not in str(caught.value)


def test_credentials_stay_at_their_origin() -> None:
    credentials = Credentials(
        api(
            auth=ApiKeyAuth(key=Secret("k"), name="key", location="query"),
            headers={"X-Own": Secret("own"), "User-Agent": Secret("me")},
        )
    )
    home = credentials.request("POST", httpx.URL("https://api.example.com/x?a=1"), b"{}")
    assert str(home.url) == "https://api.example.com/x?a=1&key=k"
    assert home.headers["x-own"] == "own"
    assert home.headers["user-agent"] == "me"
    assert home.content == b"{}"
    for url in ("http://api.example.com/x", "https://api.example.com:444/x", "https://example.com"):
        away = credentials.request("POST", httpx.URL(url), b"{}")
        assert str(away.url) == url
        assert "x-own" not in away.headers
        assert away.headers["user-agent"] == "bronze-engine"
        assert away.content == b""


def test_a_key_that_a_link_already_has_is_not_added_again() -> None:
    credentials = Credentials(api(auth=ApiKeyAuth(key=Secret("k"), name="key", location="query")))
    url = httpx.URL("https://api.example.com/x?key=k&page=2")
    assert credentials.request("GET", url, None).url == url


def test_a_link_is_sent_as_the_server_wrote_it() -> None:
    url = "https://api.example.com/x?sig=a%2Fb%3D%3D&t=2025-01-01T00%3A00%3A00Z&e="
    assert str(Credentials(api()).request("GET", httpx.URL(url), None).url) == url


@given(path=st.text(_PRINTABLE, max_size=20), query=st.text(_PRINTABLE, max_size=20))
def test_a_url_that_goes_plain_is_sent_as_httpx_would_send_it(path: str, query: str) -> None:
    credentials = Credentials(api())
    url = f"https://api.example.com/{path}?{query}"
    if credentials.plain(url) is not None:
        assert str(httpx.URL(url)) == url
        assert yarl.URL(url, encoded=True).raw_host == "api.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com.evil.example/x",
        "https://api.example.com@evil.example/x",
        "https://api.example.com:8443/x",
        "http://api.example.com/x",
        "https://other.example/x",
        "https://api.example.com/a/../b",
        "https://api.example.com/a b",
        "https://api.example.com/a#b",
        "https://api.example.com/%zz",
    ],
)
def test_what_leads_elsewhere_or_must_be_rewritten_does_not_go_plain(url: str) -> None:
    credentials = Credentials(api())
    assert credentials.plain("https://api.example.com/x?page=1") is not None
    assert credentials.plain(url) is None


def test_a_key_in_the_query_does_not_go_plain() -> None:
    auth = ApiKeyAuth(key=Secret("k"), name="key", location="query")
    assert Credentials(api(auth=auth)).plain("https://api.example.com/x") is None
