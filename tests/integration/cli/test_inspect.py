"""`bronze inspect` of a URL: the TOML that it prints lands what the API has, as it is."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable

import pytest

from tests.integration.cli.command import Bronze, in_background
from tests.integration.cli.inspected import (
    QUERY,
    ROWS,
    SIZE,
    TOKEN,
    by_cursor,
    by_graphql,
    by_header,
    by_key,
    by_link,
    by_next_url,
    by_offset,
    by_page,
    by_search,
    by_unnamed_offset,
    by_unnamed_page,
    check_and_run,
    guarded,
    in_one_page,
    inspected,
    landed,
)
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("page", "kind", "options"),
    [
        pytest.param(by_link, "link_header", [], id="link header"),
        pytest.param(by_next_url, "next_url", [], id="next url"),
        pytest.param(by_cursor, "cursor", [], id="cursor"),
        pytest.param(by_header, "header_cursor", [], id="header cursor"),
        pytest.param(by_page, "page", [], id="page"),
        pytest.param(by_unnamed_page, "page", [], id="page, only by trying"),
        pytest.param(by_unnamed_offset, "offset", [], id="offset, only by trying"),
        pytest.param(by_offset, "offset", [], id="offset"),
        pytest.param(by_key, "keyset", [], id="keyset"),
        pytest.param(in_one_page, "none", [], id="none"),
        pytest.param(
            by_search, "offset", ["--data", '{"query": {"match_all": {}}, "size": 3}'], id="search"
        ),
        pytest.param(by_graphql, "graphql", ["--data", QUERY], id="graphql"),
    ],
)
def test_printed_toml_lands_every_record(
    bronze: Bronze,
    monkeypatch: pytest.MonkeyPatch,
    page: Callable[[Seen], bytes],
    kind: str,
    options: list[str],
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    with in_background(guarded(page)) as server:
        url = f"{server.url}/api/v1/orders"
        ran = bronze.well("inspect", url, "--toml", "--bearer-env", "SHOP_TOKEN", *options)
        assert not list(bronze.folder.iterdir())
        config = tomllib.loads(ran.out)
        source = config["pipelines"]["local"]["orders"]["source"]
        assert source["paginator"]["type"] == kind
        assert config["apis"]["local"]["base_url"] == f"{server.url}/api/v1"
        assert config["apis"]["local"]["auth"]["token"] == "${SHOP_TOKEN}"
        check_and_run(bronze, ran.out, "local.orders")
    rows = landed(bronze, "orders")
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert [row["lines"] for row in rows] == [row["lines"] for row in ROWS]


def test_what_is_found(bronze: Bronze) -> None:
    with in_background(guarded(by_link)) as server:
        found = inspected(bronze, server, "-H", f"Authorization: Bearer {TOKEN}")
        requests = len(server.seen)
    assert requests == found["requests"] == 2
    assert found["paginator"] == {
        "settings": {"type": "link_header"},
        "confidence": "confirmed",
        "why": 'the Link header names rel="next"',
    }
    assert found["primary_key"] == "id"
    assert [each["column"] for each in found["cursors"]] == ["updated_at"]
    assert found["cursors"][0]["order"] == "ascending"
    assert found["rate_limit"] == {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4990"}
    assert [page["records"] for page in found["pages"]] == [SIZE, SIZE]
    types = {each["name"]: (each["type"], each["suggested"]) for each in found["columns"]}
    assert types["updated_at"] == ("timestamp[us, tz=UTC]", None) or types["updated_at"] == (
        "string",
        "timestamp(us, UTC)",
    )
    assert types["amount"] == ("string", "decimal(18,4)")
    assert found["sample"][0][0] == "o-01"


def test_a_next_link_that_only_counts_could_be_read_side_by_side(bronze: Bronze) -> None:
    with in_background(guarded(by_next_url)) as server:
        found = inspected(bronze, server, "-H", f"Authorization: Bearer {TOKEN}")
    assert found["paginator"]["settings"]["type"] == "next_url"
    [note] = found["notes"]
    assert 'type = "page", total_path = "count"' in note


def test_text_for_people(bronze: Bronze) -> None:
    with in_background(guarded(by_link)) as server:
        ran = bronze.well("inspect", f"{server.url}/orders", "-H", f"Authorization: Bearer {TOKEN}")
    lines = ran.out.splitlines()
    assert "primary key  id" in lines
    assert 'confirmed: the Link header names rel="next"' in ran.out
    assert any(line.startswith("o-01") for line in lines)
    assert "[pipelines.local.orders.source.paginator]" in lines


def test_a_paginator_that_does_not_lead_on_is_told(bronze: Bronze) -> None:
    async def handle(*_: object) -> bytes:
        return answer({"data": ROWS[:SIZE], "total": len(ROWS)})

    with in_background(handle) as server:
        found = inspected(bronze, server)
    assert found["paginator"]["settings"] == {"type": "none"}
    assert "page was tried and does not lead on" in found["notes"][0]
    assert "offset was tried and does not lead on" in found["notes"][1]


MANY = [{"id": number, "name": f"n{number}"} for number in range(1, 46)]


def test_a_round_count_is_tried_for_pages(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        page = int(seen.query.get("page", 1))
        return answer(MANY[(page - 1) * 20 : page * 20])

    with in_background(handle) as server:
        found = inspected(bronze, server)
        check_and_run(bronze, found["toml"], "local.orders")
    assert found["paginator"]["settings"] == {"type": "page"}
    assert found["paginator"]["confidence"] == "confirmed"
    assert [row["id"] for row in landed(bronze, "orders")] == [row["id"] for row in MANY]


def test_a_server_that_ignores_parameters_and_shuffles_has_one_page(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        rows = MANY[:20]
        return answer(rows[::-1] if "2" in seen.query.values() else rows)

    with in_background(handle) as server:
        found = inspected(bronze, server)
    assert found["paginator"]["settings"] == {"type": "none"}
    assert found["notes"][0] == "page was tried and gives records of the first page again"


def test_values_and_arrays_land_too(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer({"rows": [["a", 1], ["b", 2]]} if seen.path == "/rows" else ["x", "y"])

    with in_background(handle) as server:
        for path, columns in (("rows", ["column_1", "column_2"]), ("words", ["value"])):
            found = bronze.well("inspect", f"{server.url}/{path}", "--json").json
            assert [each["name"] for each in found["columns"]] == columns
            check_and_run(bronze, found["toml"], f"local.{path}")
    assert landed(bronze, "rows") == [
        {"column_1": "a", "column_2": 1},
        {"column_1": "b", "column_2": 2},
    ]
    assert landed(bronze, "words") == [{"value": "x"}, {"value": "y"}]


@pytest.mark.parametrize(
    ("kind", "body", "form"),
    [
        ("text/csv; charset=utf-8", b"id,name\r\n001,a\r\n002,b\r\n", "csv"),
        (
            "application/x-ndjson",
            b'{"id": "001", "name": "a"}\n{"id": "002", "name": "b"}\n',
            "ndjson",
        ),
        ("text/plain", b'{"id": "001", "name": "a"}\n{"id": "002", "name": "b"}', "ndjson"),
    ],
)
def test_lines_and_csv_are_recognised(bronze: Bronze, kind: str, body: bytes, form: str) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        headers = {"Content-Type": kind}
        if "cursor" not in seen.query:
            headers["X-Next-Cursor"] = "c2"
            return answer(body=body, headers=headers)
        return answer(body=body.replace(b"00", b"10"), headers=headers)

    with in_background(handle) as server:
        found = inspected(bronze, server)
        check_and_run(bronze, found["toml"], "local.orders")
    source = tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]["source"]
    assert source["format"] == form
    assert source["paginator"]["type"] == "header_cursor"
    assert [row["id"] for row in landed(bronze, "orders")] == ["001", "002", "101", "102"]


def test_records_that_are_named_are_taken(bronze: Bronze) -> None:
    async def handle(*_: object) -> bytes:
        return answer({"data": [{"id": 1}], "inner": {"others": [{"id": 2}, {"id": 3}]}})

    with in_background(handle) as server:
        found = inspected(bronze, server, "--records", "inner.others")
        wrong = bronze("inspect", f"{server.url}/orders", "--records", "inner.gone")
    assert (found["records"], found["rows"]) == ("inner.others", 2)
    assert wrong.status == 5
    assert 'no "gone" in "inner"' in wrong.errors[0]


def test_braces_and_dollars_in_parameters_mean_themselves(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        assert seen.query["filter"] == "{a: ${b}}"
        assert seen.headers["accept"] == "application/vnd.shop+json;v=2"
        return answer(ROWS)

    with in_background(handle) as server:
        accept = "Accept: application/vnd.shop+json;v=2"
        found = inspected(bronze, server, "-p", "filter={a: ${b}}", "-H", accept)
        check_and_run(bronze, found["toml"], "local.orders")
    assert len(landed(bronze, "orders")) == len(ROWS)
