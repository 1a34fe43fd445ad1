"""What a request asks for: its URL, headers and body, as the configuration and the pager say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from json import loads
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bronze_engine.config.auths.auth import BearerAuth
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
from bronze_engine.errors import PageError
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.paging.pager import Ask, Params
from bronze_engine.sources.http.target import Target
from tests.unit.http.shop import api

pytestmark = pytest.mark.unit


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
