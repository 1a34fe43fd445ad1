"""The first draft of a pipeline: where the API is, what is asked for, and no secret in it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from bronze_engine.errors import ConfigError
from bronze_engine.inspection.draft import draft
from bronze_engine.inspection.wanted import Wanted

pytestmark = pytest.mark.unit


def drafted(url: str, environ: dict[str, str] | None = None, **wanted: Any) -> dict[str, Any]:
    return tomllib.loads(draft(Wanted(url=url, **wanted), environ or {}).text)


@pytest.mark.parametrize(
    ("url", "base_url", "path", "name"),
    [
        (
            "https://api.github.com/repos/o/r/issues",
            "https://api.github.com",
            "/repos/o/r/issues",
            "github.issues",
        ),
        (
            "https://api.stripe.com/v1/charges",
            "https://api.stripe.com/v1",
            "/charges",
            "stripe.charges",
        ),
        (
            "https://s.myshopify.com/admin/api/2025-01/orders.json",
            "https://s.myshopify.com/admin/api/2025-01",
            "/orders.json",
            "myshopify.orders",
        ),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "", "local.records"),
        ("https://x.example.co.uk/a/", "https://x.example.co.uk", "/a/", "example.a"),
        ("https://h.example/v1", "https://h.example", "/v1", "h.v1"),
    ],
)
def test_a_url_is_divided(url: str, base_url: str, path: str, name: str) -> None:
    tree = drafted(url)
    team, _, entity = name.partition(".")
    [api] = tree["apis"].values()
    assert api == {"base_url": base_url}
    source = tree["pipelines"][team][entity]["source"]
    assert source["path"] == path


@pytest.mark.parametrize(
    ("wanted", "auth"),
    [
        (
            {"headers": (("Authorization", "Bearer canary-1"),)},
            {"type": "bearer", "token": "${H_TOKEN}"},
        ),
        (
            {"headers": (("X-Api-Key", "canary-1"),)},
            {"type": "api_key", "key": "${H_KEY}", "name": "X-Api-Key"},
        ),
        (
            {"params": (("access_token", "canary-1"),)},
            {"type": "api_key", "key": "${H_KEY}", "name": "access_token", "location": "query"},
        ),
    ],
)
def test_credentials_become_auth_with_a_variable(
    wanted: dict[str, Any], auth: dict[str, str]
) -> None:
    made = draft(Wanted(url="https://h.example/x", **wanted), {})
    assert tomllib.loads(made.text)["apis"]["h"]["auth"] == auth
    assert "canary" not in made.text
    assert list(made.variables.missing.values()) == ["canary-1"]


def test_user_and_password_of_a_url_become_basic() -> None:
    made = draft(Wanted(url="https://me:p%40ss@h.example/x"), {})
    assert made.variables.missing == {"H_USER": "me", "H_PASSWORD": "p@ss"}
    assert tomllib.loads(made.text)["apis"]["h"]["base_url"] == "https://h.example"


def test_another_variable_of_that_name_is_left_alone() -> None:
    wanted = Wanted(url="https://h.example/x", headers=(("Authorization", "Bearer canary-1"),))
    assert draft(wanted, {"H_TOKEN": "another"}).variables.missing == {"H_TOKEN_2": "canary-1"}


def test_other_headers_and_parameters_are_written_as_they_are() -> None:
    tree = drafted(
        "https://h.example/x?a=1&a=2&b=%7By%7D",
        headers=(("Accept", "application/json"),),
        params=(("c", "${z}"),),
    )
    assert tree["apis"]["h"]["headers"] == {"Accept": "application/json"}
    params = tree["pipelines"]["h"]["x"]["source"]["params"]
    assert params == {"a": ["1", "2"], "b": "{{y}}", "c": "$${{z}}"}


def test_parameters_that_the_paginator_sends_are_its_own() -> None:
    made = draft(Wanted(url="https://h.example/x?page=1&size=5&q=a"), {})
    made.take_paginator(
        {"type": "page", "size_param": "size", "page_size": 5, "page_param": "page"}
    )
    assert made.source["params"] == {"q": "a"}
    made.take_paginator({"type": "none"})
    assert made.source["params"] == {"page": "1", "size": "5", "q": "a"}


def test_a_graphql_query_keeps_its_braces_under_its_own_paginator_alone() -> None:
    wanted = Wanted(url="https://h.example/graphql", json={"query": "{ a }", "x": None})
    made = draft(wanted, {})
    assert made.source["json"] == {"query": "{{ a }}"}
    made.take_paginator({"type": "graphql"})
    assert made.source["json"] == {"query": "{ a }"}
    made.take_paginator({"type": "none"})
    assert made.source["json"] == {"query": "{{ a }}"}


def test_credentials_in_a_body_are_variables_and_tokens_of_pages_are_not() -> None:
    body = {"auth_token": "canary-1", "page_token": "p2", "list": [{"secret": "canary-2"}]}
    made = draft(Wanted(url="https://h.example/x", json=body), {})
    assert "canary" not in made.text
    assert made.source["json"] == {
        "auth_token": "${H_AUTH_TOKEN}",
        "page_token": "p2",
        "list": [{"secret": "${H_SECRET}"}],
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"url": "https://"}, "no URL"),
        ({"url": "https://h:99999999/x"}, "no URL"),
        ({"url": "https://h.example/x", "name": "a.b.c"}, "team.name"),
        ({"url": "https://h.example/x", "bearer_variable": "GONE"}, "GONE is not set"),
        ({"url": "https://h.example/x", "json": {"a": [None]}}, "TOML can't write"),
    ],
)
def test_what_can_not_be_drafted(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draft(Wanted(**wanted), {})


def test_names_that_are_taken_are_not_taken_again() -> None:
    made = draft(
        Wanted(url="/orders", api="shop"),
        {},
        base_url="https://h.example/v1",
        taken=["shop.orders", "shop.orders_2"],
    )
    assert made.name == "shop.orders_3"
    assert "apis" not in tomllib.loads(made.text)
