"""URLs, credentials and bounds of requests."""

from __future__ import annotations

from datetime import UTC, date, datetime
from json import loads
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import ApiKeyAuth, BearerAuth
from bronze_engine.config.http.export import ParamValue
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    PagePaginator,
)
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, PageError
from bronze_engine.model.window import CursorType
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.bounds import bound_params
from bronze_engine.sources.http.paging.pager import Ask, Params
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.url import build_url, origin_of, parse_origin
from bronze_engine.sources.http.wire.proxy import proxy_for
from bronze_engine.sources.http.wire.tls import tls_for

pytestmark = pytest.mark.unit

_PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)


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


def api(**fields: Any) -> Api:
    return Api(**{"name": "shop", "base_url": "https://api.example.com/v1", **fields})


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


def run_request(**fields: Any) -> Request:
    values: dict[str, Any] = {
        "pipeline": "team.orders",
        "system": "team",
        "entity": "orders",
        "run_date": date(2025, 1, 15),
        "run": "r1",
        "load": "full",
        "started_at": datetime(2025, 1, 15, tzinfo=UTC),
    }
    return Request(**{**values, **fields})


def test_a_value_that_is_not_known_yet_leaves_its_parameter_out() -> None:
    config = HttpSourceConfig(
        api=api(),
        path="/x/{run_date:%Y}",
        params={"since": "{low}", "b": "{{x}}"},
        json={"h": "{high}"},
    )
    target = Target(config, run_request(), Credentials(api()), {"page"})
    assert target.url(Ask(number=1, params={"page": 3})) == (
        "https://api.example.com/v1/x/2025?b=%7Bx%7D&page=3"
    )
    assert target.body(Ask(number=1)) == b"{}"
    assert target.location == "https://api.example.com/v1/x/2025"


def test_the_configuration_may_give_the_paginators_parameters_a_beginning() -> None:
    config = HttpSourceConfig(api=api(), params={"cursor": "first", "limit": 5})
    target = Target(config, run_request(), Credentials(api()), ("cursor", "limit"))
    assert target.url(Ask(number=1)).endswith("?cursor=first&limit=5")
    assert target.url(Ask(number=2, params={"cursor": "B"})).endswith("?cursor=B&limit=5")
    assert target.shown(Ask(number=2, params={"cursor": "B"})) == target.url(
        Ask(number=2, params={"cursor": "B"})
    )


def test_a_param_that_is_only_a_date_is_shown() -> None:
    params: dict[str, ParamValue] = {"day": "{run_date}", "key": "{run_date}-canary"}
    config = HttpSourceConfig(api=api(), params=params)
    shown = Target(config, run_request(), Credentials(api()), ()).shown(Ask(number=1))
    assert "day=2025-01-15" in shown
    assert "canary" not in shown


@pytest.mark.parametrize(
    ("json", "asked", "sent"),
    [
        (None, {}, None),
        ({"a": 1}, {}, {"a": 1}),
        (None, {"page": 2}, {"page": 2}),
        ({"a": 1}, {"page": 2, "size": 5}, {"a": 1, "page": 2, "size": 5}),
        (
            {"variables": {"id": "{run_date}"}},
            {"variables.after": "x", "variables.deep.first": 2**70},
            {"variables": {"id": "2025-01-15", "after": "x", "deep": {"first": 2**70}}},
        ),
        ({"after": "first"}, {"after": "x"}, {"after": "x"}),
        ({"search": None}, {"search.after": "x"}, {"search": {"after": "x"}}),
    ],
)
def test_parameters_go_into_the_body_at_their_paths(json: Any, asked: Params, sent: Any) -> None:
    config = HttpSourceConfig(
        api=api(),
        method="POST",
        json=json,
        params={"page": "of the query"},
        paginator=CursorPaginator(cursor_path="next", param_in="body"),
    )
    target = Target(config, run_request(), Credentials(api()), asked)
    ask = Ask(number=2, params=asked)
    body = target.body(ask)
    assert (None if body is None else loads(body)) == sent
    assert target.url(ask) == "https://api.example.com/v1?page=of%20the%20query"
    assert "of%20the%20query" not in target.shown(ask)
    assert target.headers(ask) is None


def test_a_page_in_the_body_leaves_the_configuration_as_it_is() -> None:
    json = {"variables": {"id": "5"}}
    config = HttpSourceConfig(
        api=api(),
        method="POST",
        json=json,
        paginator=CursorPaginator(cursor_path="next", param_in="body"),
    )
    target = Target(config, run_request(), Credentials(api()), {"variables.after"})
    target.body(Ask(number=2, params={"variables.after": "x"}))
    assert json == {"variables": {"id": "5"}}
    assert target.sent(Ask(number=1)) == json


def test_parameters_go_into_headers() -> None:
    config = HttpSourceConfig(
        api=api(), paginator=PagePaginator(page_param="X-Page", param_in="header")
    )
    target = Target(config, run_request(), Credentials(api()), {"X-Page"})
    ask = Ask(number=2, params={"X-Page": 2})
    assert target.headers(ask) == {"X-Page": "2"}
    assert target.url(ask) == target.shown(ask) == "https://api.example.com/v1"


@pytest.mark.parametrize("value", ["a\r\nX: y", "ü", "\0"])
def test_what_no_header_can_hold_is_not_sent(value: str) -> None:
    config = HttpSourceConfig(
        api=api(),
        paginator=CursorPaginator(cursor_path="next", cursor_param="X-Cursor", param_in="header"),
    )
    target = Target(config, run_request(), Credentials(api()), {"X-Cursor"})
    with pytest.raises(PageError, match="X-Cursor holds what no header can"):
        target.headers(Ask(number=2, params={"X-Cursor": value}))


def test_a_graphql_query_is_no_template() -> None:
    query = "query($after: String) { orders(after: $after) { nodes { id } } }"
    config = HttpSourceConfig(
        api=api(),
        method="POST",
        json={"query": query, "variables": {"day": "{run_date}"}},
        records="data.orders.nodes",
        paginator=GraphqlPaginator(),
    )
    target = Target(config, run_request(), Credentials(api()), {"variables.after"})
    assert target.sent(Ask(number=2, params={"variables.after": "x"})) == {
        "query": query,
        "variables": {"day": "2025-01-15", "after": "x"},
    }


def test_another_paginator_takes_the_parameters_that_are_its_own() -> None:
    config = HttpSourceConfig(
        api=api(), params={"per_page": 50, "key": "canary"}, paginator=AutoPaginator()
    )
    target = Target(config, run_request(), Credentials(api()), ())
    assert target.url(Ask(number=1)).endswith("/v1?per_page=50&key=canary")
    found = target.paged_by(PagePaginator(), {"page", "per_page"})
    ask = Ask(number=2, params={"page": 2, "per_page": 50})
    assert found.url(ask).endswith("/v1?key=canary&per_page=50&page=2")
    assert "canary" not in found.shown(ask)
    assert "per_page=50" in found.shown(ask)
    assert target.url(Ask(number=1)).endswith("/v1?per_page=50&key=canary")


def test_the_low_is_where_reading_begins() -> None:
    config = HttpSourceConfig(api=api(), params={"since": "{low}"})
    target = Target(config, run_request(low="5", read_from="3"), Credentials(api()), ())
    assert target.url(Ask(number=1)).endswith("?since=3")


@pytest.mark.parametrize(
    ("zone", "style", "low", "high", "above"),
    [
        (None, None, "2025-01-01T10:00:30.5Z", "2025-01-02T00:00:00Z", "2025-01-02T00:00:01Z"),
        (None, "%Y-%m-%d %H:%M", "2025-01-01 10:00", "2025-01-02 00:00", "2025-01-02 00:01"),
        (
            "America/New_York",
            "%Y-%m-%d %H:%M",
            "2025-01-01 05:00",
            "2025-01-01 19:00",
            "2025-01-01 19:01",
        ),
        (None, "epoch_ms", "1735725630500", "1735776000000", "1735776000001"),
        (None, "%Y-%m-%d", "2025-01-01", "2025-01-02", "2025-01-03"),
    ],
)
@pytest.mark.parametrize("cap_open", [False, True])
def test_bounds_in_a_text_are_written_as_format_says(
    zone: str | None, style: str | None, low: str, high: str, above: str, cap_open: bool
) -> None:
    config = HttpSourceConfig(api=api(), params={"q": 'u >= "{low}" and u < "{high}"'})
    incremental = Incremental(cursor="u", format=style, cursor_timezone=zone)
    request = run_request(
        incremental=incremental,
        low="2025-01-01T10:00:30.5Z",
        cap="2025-01-02T00:00:00Z",
        cap_open=cap_open,
    )
    target = Target(config, request, Credentials(api()), ())
    asked = parse_qs(urlsplit(target.url(Ask(number=1))).query)["q"]
    assert asked == [f'u >= "{low}" and u < "{high if cap_open else above}"']


def test_server_texts_lose_every_secret() -> None:
    config = HttpSourceConfig(
        api=api(
            base_url="https://api.example.com/v1?a=canary-base",
            auth=BearerAuth(token=Secret("canary-token")),
            headers={"X-Own": Secret("canary-header")},
        ),
        params={"p": "canary-param", "page": "12345678"},
    )
    target = Target(config, run_request(), Credentials(config.api), {"page"})
    text = "canary-base canary-token canary-header canary-param 12345678"
    assert target.scrub(text) == "*** *** *** *** 12345678"


@pytest.mark.parametrize(
    ("kind", "zone", "style", "low", "start", "end"),
    [
        (
            "timestamp",
            None,
            None,
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00.6Z",
        ),
        (
            "timestamp",
            None,
            None,
            "2024-12-31 23:59:59.999+01:00",
            "2024-12-31 23:59:59.999+01:00",
            "2025-01-01 00:00:00.000+01:00",
        ),
        ("timestamp", None, None, "2025-01-01T23:59Z", "2025-01-01T23:59Z", "2025-01-02T00:00Z"),
        ("timestamp", None, "epoch", "1970-01-01T00:00:01.5Z", "1", "2"),
        ("timestamp", None, "epoch_ms", "1970-01-01T00:00:01.0005Z", "1000", "1001"),
        ("timestamp", None, "epoch", "1969-12-31T23:59:59.5Z", "-1", "0"),
        ("timestamp", None, "%Y-%m-%d", "2025-01-01T12:00:00Z", "2025-01-01", "2025-01-02"),
        ("timestamp", None, "%Y-%m-%d", "2025-01-01T00:00:00Z", "2025-01-01", "2025-01-02"),
        # The day on which the clock goes back has 25 hours.
        (
            "timestamp",
            "Europe/Berlin",
            "%Y-%m-%d",
            "2024-10-27T00:00:00",
            "2024-10-27",
            "2024-10-28",
        ),
        ("timestamp", None, "%Y-%m", "2025-01-01T00:00:00Z", "2025-01", "2025-02"),
        ("timestamp", None, "%Y", "2024-01-01T00:00:00Z", "2024", "2025"),
        (
            "timestamp",
            "Europe/Berlin",
            "%Y-%m-%dT%H:%M:%S%z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00+0100",
            "2025-01-01T00:00:01+0100",
        ),
        (
            "timestamp",
            None,
            "%H:%M:%S",
            "2025-01-01T10:00:00.25+02:00",
            "08:00:00",
            "08:00:01",
        ),
        ("date", None, "%d.%m.%Y", "2025-01-02", "02.01.2025", "03.01.2025"),
        ("date", "Asia/Tokyo", "epoch", "1970-01-02", "86400", "86401"),
        ("integer", None, None, "12", "12", "13"),
        ("date", None, None, "2024-12-31", "2024-12-31", "2025-01-01"),
        ("text", None, None, "abc", "abc", "abc"),
    ],
)
def test_bounds_are_formatted_outwards(
    kind: Any, zone: str | None, style: str | None, low: str, start: str, end: str
) -> None:
    incremental = Incremental(
        cursor="at",
        cursor_type=kind,
        cursor_timezone=zone,
        format=style,
        start_param="s",
        end_param="e",
    )
    assert bound_params(incremental, low, low) == {"s": start, "e": end}
    assert bound_params(incremental, None, None) == {}
    assert bound_params(None, low, low) == {}


@pytest.mark.parametrize(
    ("cursor_type", "initial"), [("integer", "0"), ("timestamp", "2025-01-15T00:00:00Z")]
)
def test_where_a_chain_begins_is_asked_for_as_it_is_written(
    cursor_type: CursorType, initial: str
) -> None:
    incremental = Incremental(cursor="c", cursor_type=cursor_type, start_param="s", initial=initial)
    assert bound_params(incremental, initial, None, low_open=False) == {"s": initial}


def test_a_format_for_integers_is_refused() -> None:
    incremental = Incremental(cursor="id", cursor_type="integer", format="epoch", start_param="s")
    with pytest.raises(ConfigError, match="leave format out"):
        bound_params(incremental, "5", None)


def test_a_watermark_of_another_type_is_refused() -> None:
    incremental = Incremental(cursor="id", format="epoch", start_param="s")
    with pytest.raises(ConfigError, match="is no timestamp"):
        bound_params(incremental, "yesterday", None)


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_proxies_of_the_environment(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("HTTPS_PROXY", "http://secure:1")
    clean_environment.setenv("http_proxy", "plain:2")
    clean_environment.setenv("NO_PROXY", "inside.example,other.example:8443")
    proxy = proxy_for("env", "shop")
    assert proxy(httpx.URL("https://api.example.com")) == "http://secure:1"
    assert proxy(httpx.URL("http://api.example.com")) == "http://plain:2"
    assert proxy(httpx.URL("https://api.inside.example")) is None
    assert proxy(httpx.URL("https://other.example:8443")) is None
    assert proxy(httpx.URL("https://other.example")) == "http://secure:1"
    assert proxy_for("none", "shop")(httpx.URL("https://api.example.com")) is None


def test_a_proxy_for_everything(clean_environment: pytest.MonkeyPatch) -> None:
    assert proxy_for("env", "shop")(httpx.URL("http://h")) is None
    clean_environment.setenv("ALL_PROXY", "http://all:3")
    assert proxy_for("env", "shop")(httpx.URL("http://h")) == "http://all:3"
    assert proxy_for("http://fixed:4", "shop")(httpx.URL("http://h")) == "http://fixed:4"


def test_a_proxy_that_is_none(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"apis\.shop\.proxy is no http or https URL"):
        proxy_for("socks5://user:canary@h:1", "shop")
    clean_environment.setenv("HTTPS_PROXY", "socks5://h:1")
    with pytest.raises(ConfigError, match="HTTPS_PROXY is no http"):
        proxy_for("env", "shop")


def test_certificate_files_that_are_none(tmp_path: Any) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for fields in (
        {"ca_file": str(tmp_path / "absent.pem")},
        {"ca_file": str(empty)},
        {"client_cert": str(empty)},
        {"client_key": str(empty)},
    ):
        with pytest.raises(ConfigError, match=f"apis.shop.{next(iter(fields))}"):
            tls_for(api(**fields), "https://h:443")


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
