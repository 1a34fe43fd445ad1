"""Paginators whose parameters stand within texts: QuickBooks' queries, HubSpot's filters."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.http.paginator import KeysetPaginator, OffsetPaginator, PagePaginator
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Request
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.paging.pager import Ask
from bronze_engine.sources.http.target import Target
from tests.unit.http.pagers import answered, pager_of

pytestmark = pytest.mark.unit

API = Api(name="shop", base_url="https://api.example.com/v1")


def target(paginator: Any, **source: Any) -> Target:
    request = Request(
        pipeline="team.orders",
        system="team",
        entity="orders",
        run_date=date(2025, 1, 15),
        run="r1",
        load="full",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
    )
    config = HttpSourceConfig(api=API, paginator=paginator, **source)
    return Target(config, request, Credentials(API), pager_of(paginator).params)


def test_an_offset_may_stand_in_a_query() -> None:
    paginator = OffsetPaginator(
        offset_param="at", start=1, size_param="n", page_size=2, param_in="template"
    )
    query = "select * from Bill startposition {page.at} maxresults {page.n}"
    asked = target(paginator, path="/query", params={"query": query, "minor": 75})
    pager = pager_of(paginator)
    following = pager.accept(answered(2))
    assert following is not None
    assert [asked.url(ask).partition("?query=")[2] for ask in (pager.first(), following)] == [
        f"select%20%2A%20from%20Bill%20startposition%20{at}%20maxresults%202&minor=75"
        for at in (1, 3)
    ]
    assert asked.shown(following) == "https://api.example.com/v1/query?query=***&minor=***"
    assert asked.headers(following) is None


def test_a_page_may_stand_in_a_path_and_is_encoded_there() -> None:
    asked = target(PagePaginator(param_in="template"), path="/day/{run_date}/{page.page}")
    assert asked.url(Ask(number=1, params={"page": "a/b"})).endswith("/v1/day/2025-01-15/a%2Fb")
    assert asked.location.startswith("https://api.example.com/v1/day/2025-01-15/")


def test_a_key_may_stand_in_a_list_of_the_body_with_what_begins_it() -> None:
    paginator = KeysetPaginator(param="after", param_in="template")
    filters = [{"name": "id", "value": "{page.after:0}"}]
    asked = target(
        paginator, method="POST", json={"filters": filters, "raw": "{page.after}", "n": 1}
    )
    bodies = [asked.body(Ask(number=1)), asked.body(Ask(number=2, params={"after": 7}))]
    assert [msgspec.json.decode(body or b"") for body in bodies] == [
        {"filters": [{"name": "id", "value": "0"}], "n": 1},
        {"filters": [{"name": "id", "value": "7"}], "raw": 7, "n": 1},
    ]
    assert asked.url(Ask(number=2, params={"after": 7})) == "https://api.example.com/v1"


def test_a_parameter_without_a_value_is_left_out_of_the_first_page() -> None:
    paginator = KeysetPaginator(param="after", param_in="template")
    asked = target(paginator, path="/x", params={"where": "id > {page.after}", "o": "id"})
    assert asked.url(Ask(number=1)) == "https://api.example.com/v1/x?o=id"
    second = asked.url(Ask(number=2, params={"after": "k 1"}))
    assert second == "https://api.example.com/v1/x?where=id%20%3E%20k%201&o=id"
