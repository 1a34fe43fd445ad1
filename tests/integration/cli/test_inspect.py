"""`bronze inspect`: the TOML that it prints lands what the API has, as it is."""

from __future__ import annotations

import asyncio
import json
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.documents import Document
from tests.integration.cli.command import DATE, Bronze, in_background, shop
from tests.integration.http_server import Handler, Seen, Server, answer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SIZE = 3
ROWS = [
    {
        "id": f"o-{number:02}",
        "amount": f"{number}.50",
        "note": None if number % 2 else f"note {number}",
        "updated_at": f"2025-01-{number:02}T08:00:00+01:00",
        "lines": [{"sku": "a", "count": number}],
    }
    for number in range(1, 9)
]
TOKEN = "canary-token-of-the-inspected"

Page = Callable[[Seen, int], bytes]
"""Answers with the page that begins at a row."""


def rows_at(start: int) -> tuple[list[dict[str, Any]], bool]:
    return ROWS[start : start + SIZE], start + SIZE < len(ROWS)


def by_link(seen: Seen) -> bytes:
    page = int(seen.query.get("page", 1))
    rows, more = rows_at((page - 1) * SIZE)
    link = f'<{seen.path}?page={page + 1}>; rel="next"' if more else '<?page=1>; rel="first"'
    limits = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4990"}
    return answer(rows, headers={"Link": link, **limits})


def by_next_url(seen: Seen) -> bytes:
    page = int(seen.query.get("page", 1))
    rows, more = rows_at((page - 1) * SIZE)
    return answer(
        {
            "count": len(ROWS),
            "next": f"{seen.path}?page={page + 1}" if more else None,
            "previous": None,
            "results": rows,
        }
    )


def by_cursor(seen: Seen) -> bytes:
    start = int(seen.query.get("page_token", "t0")[1:])
    rows, more = rows_at(start)
    return answer({"items": rows, "next_page_token": f"t{start + SIZE}" if more else ""})


def by_header(seen: Seen) -> bytes:
    start = int(seen.query.get("cursor", "t0")[1:])
    rows, more = rows_at(start)
    return answer(rows, headers={"X-Next-Cursor": f"t{start + SIZE}"} if more else {})


def by_page(seen: Seen) -> bytes:
    page = int(seen.query.get("page", 1))
    rows, _ = rows_at((page - 1) * SIZE)
    pages = -(-len(ROWS) // SIZE)
    return answer({"orders": rows, "meta": {"page": page, "per_page": SIZE, "total_pages": pages}})


def by_unnamed_page(seen: Seen) -> bytes:
    page = int(seen.query.get("page", 1))
    rows, _ = rows_at((page - 1) * SIZE)
    return answer({"data": rows, "total": len(ROWS)})


def by_unnamed_offset(seen: Seen) -> bytes:
    rows, _ = rows_at(int(seen.query.get("offset", 0)))
    return answer({"data": rows, "total": len(ROWS)})


def by_offset(seen: Seen) -> bytes:
    start = int(seen.query.get("startAt", 0))
    rows, _ = rows_at(start)
    return answer({"startAt": start, "maxResults": SIZE, "total": len(ROWS), "issues": rows})


def by_key(seen: Seen) -> bytes:
    after = seen.query.get("starting_after", "")
    rest = [row for row in ROWS if row["id"] > after]  # type: ignore[operator]
    return answer({"object": "list", "has_more": len(rest) > SIZE, "data": rest[:SIZE]})


def in_one_page(_: Seen) -> bytes:
    return answer({"data": ROWS})


def by_graphql(seen: Seen) -> bytes:
    body = json.loads(seen.body)
    start = int((body.get("variables", {}).get("cursor") or "c0")[1:])
    assert "orders(first: 3, after: $cursor) { nodes { id } }" in body["query"]
    rows, more = rows_at(start)
    info = {"hasNextPage": more, "endCursor": f"c{start + SIZE}"}
    return answer({"data": {"shop": {"orders": {"nodes": rows, "pageInfo": info}}}})


def by_search(seen: Seen) -> bytes:
    body = json.loads(seen.body)
    rows, _ = rows_at(body.get("from", 0))
    assert body["query"] == {"match_all": {}}
    hits = [{"_id": row["id"], **row} for row in rows]
    return answer({"took": 1, "hits": {"total": {"value": len(ROWS)}, "hits": hits}})


QUERY = json.dumps(
    {"query": "query ($cursor: String) { orders(first: 3, after: $cursor) { nodes { id } } }"}
)


def guarded(page: Callable[[Seen], bytes]) -> Handler:
    """Lets in who has the token."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return answer({"message": "who are you?"}, status=401)
        return page(seen)

    return handle


def landed(bronze: Bronze, entity: str) -> list[dict[str, Any]]:
    folder = bronze.folder / f"bronze/local/{entity}/dt={DATE}"
    names = json.loads((folder / "_metadata.json").read_text())["files"]
    tables = [pq.ParquetFile(folder / each["name"]).read() for each in names]
    table: pa.Table = pa.concat_tables(tables)
    return table.drop_columns(["_load_date", "_source_system", "_source_entity"]).to_pylist()


def check_and_run(bronze: Bronze, toml: str, name: str) -> None:
    """Take the TOML as it was printed."""
    (bronze.folder / "pipelines.toml").write_text(toml)
    bronze.well("check")
    bronze.well("run", name, "--date", DATE)
    bronze.well("verify", name, "--date", DATE)


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


def inspected(bronze: Bronze, server: Server, *options: str) -> Any:
    url = f"{server.url}/orders"
    return bronze.well("inspect", url, "--json", *options).json


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


def test_secrets_are_variables_and_never_shown(bronze: Bronze) -> None:
    def page(seen: Seen) -> bytes:
        assert seen.query["api_key"] == "canary-key-in-query"
        number = int(seen.query.get("p", 1))
        following = "/orders?api_key=canary-key-in-query&p=2" if number == 1 else None
        return answer({"data": [{"id": number, "echo": TOKEN}], "next": following})

    with in_background(guarded(page)) as server:
        options = ["-H", f"Authorization: Bearer {TOKEN}", "-p", "api_key=canary-key-in-query"]
        ran = bronze("inspect", f"{server.url}/orders", "-v", *options)
        assert ran.status == 0, ran.err
        json_of = bronze("inspect", f"{server.url}/orders", "--json", *options)
    for text in (ran.out, ran.err, json_of.out, json_of.err):
        assert "canary" not in text
    assert 'token = "${LOCAL_TOKEN}"' in ran.out
    assert 'api_key = "${LOCAL_API_KEY}"' in ran.out
    assert "# To be set in the environment, or in .env beside this: LOCAL_TOKEN" in ran.out
    assert json_of.json["variables"] == ["LOCAL_TOKEN", "LOCAL_API_KEY"]


def test_a_secret_that_a_variable_holds_is_written_as_that_one(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_OWN_TOKEN", TOKEN)
    with in_background(guarded(in_one_page)) as server:
        found = inspected(bronze, server, "-H", f"Authorization: Bearer {TOKEN}")
    assert 'token = "${MY_OWN_TOKEN}"' in found["toml"]
    assert found["variables"] == []


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


def test_a_token_may_lie_in_the_env_file_of_the_folder(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    (bronze.folder / ".env").write_text(f"SHOP_TOKEN={TOKEN}\n")
    with in_background(guarded(by_link)) as server:
        ran = bronze.well("inspect", f"{server.url}/orders", "--toml", "--bearer-env", "SHOP_TOKEN")
    assert 'token = "${SHOP_TOKEN}"' in ran.out
    assert TOKEN not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ftp://x.example/"], 2, "that is no URL of an API"),
        (["no.such"], 2, "does not exist"),
        (["http://127.0.0.1:1/x", "-H", "nonsense"], 2, "--header: one of them is no pair"),
        (["http://127.0.0.1:1/x", "-p", "nonsense"], 2, "--param: one of them is no pair"),
        (["http://127.0.0.1:1/x", "--data", "{"], 2, "--data is no JSON"),
        (["http://127.0.0.1:1/x", "--bearer-env", "NOT_SET"], 2, "NOT_SET is not set"),
        (["http://127.0.0.1:1/x", "--name", "x"], 2, "write team.name"),
        (["http://127.0.0.1:1/x", "--api", "shop"], 2, "no pipelines.toml"),
        (["team.orders", "-p", "a=b"], 2, "go with a URL"),
    ],
)
def test_what_can_not_be_asked_for_is_told(
    bronze: Bronze, arguments: list[str], status: int, message: str
) -> None:
    ran = bronze("inspect", *arguments)
    assert ran.status == status
    assert message in ran.errors[0]
    assert ran.out == ""


def test_refused_is_an_auth_error(bronze: Bronze) -> None:
    with in_background(guarded(in_one_page)) as server:
        ran = bronze("inspect", f"{server.url}/orders")
    assert ran.status == 3
    assert ran.errors[0].startswith("AUTH001")


@pytest.mark.parametrize(
    "options",
    [
        ["-H", f"Authorization: Bearer {TOKEN}"],
        ["-H", f"Authorization: Basic {TOKEN}"],
        ["-H", f"X-Api-Key: {TOKEN}"],
        ["-p", f"api_key={TOKEN}"],
        ["--data", json.dumps({"client_secret": TOKEN})],
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_a_server_that_repeats_a_secret_is_masked(
    bronze: Bronze, options: list[str], status: int
) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        assert TOKEN.encode() in seen.raw
        return answer({"message": f"you sent {TOKEN}", "data": [{"a": TOKEN}]}, status=status)

    with in_background(handle) as server:
        ran = bronze("inspect", f"{server.url}/orders", "-v", *options)
        as_json = bronze("inspect", f"{server.url}/orders", "--json", *options)
    assert (ran.status == 0) == (status == 200)
    assert TOKEN not in ran.out + ran.err + as_json.out + as_json.err


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"id": 1, "name": "x"}', 5, '"id", "name"'),
        (b"<html></html>", 4, "the answer is HTML"),
    ],
)
def test_no_records_is_told(bronze: Bronze, body: bytes, status: int, message: str) -> None:
    async def handle(*_: object) -> bytes:
        return answer(body=body)

    with in_background(handle) as server:
        ran = bronze("inspect", f"{server.url}/orders")
    assert ran.status == status
    assert message in ran.errors[0]


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


def test_what_auto_finds_is_written_down(bronze: Bronze) -> None:
    with in_background(guarded(by_cursor)) as server:
        configured(
            bronze,
            server,
            'records = "items"\n[pipelines.local.orders.source.paginator]\ntype = "auto"',
        )
        found = bronze.well("inspect", "local.orders", "--json").json
    assert found["paginator"]["confidence"] == "confirmed"
    added = tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]["source"]
    assert added["paginator"] == {
        "type": "cursor",
        "cursor_path": "next_page_token",
        "cursor_param": "page_token",
    }


def test_records_that_are_named_are_taken(bronze: Bronze) -> None:
    async def handle(*_: object) -> bytes:
        return answer({"data": [{"id": 1}], "inner": {"others": [{"id": 2}, {"id": 3}]}})

    with in_background(handle) as server:
        found = inspected(bronze, server, "--records", "inner.others")
        wrong = bronze("inspect", f"{server.url}/orders", "--records", "inner.gone")
    assert (found["records"], found["rows"]) == ("inner.others", 2)
    assert wrong.status == 5
    assert 'no "gone" in "inner"' in wrong.errors[0]


def test_api_of_the_configuration_lends_its_credentials(bronze: Bronze) -> None:
    with in_background(guarded(by_next_url)) as server:
        shop(bronze.folder)
        file = bronze.folder / "pipelines.toml"
        auth = f'\n[apis.shop.auth]\ntype = "bearer"\ntoken = "{TOKEN}"\n'
        file.write_text(file.read_text().replace("http://127.0.0.1:1", server.url) + auth)
        ran = bronze.well("inspect", "/orders", "--api", "shop", "--toml")
        assert "apis" not in tomllib.loads(ran.out)
        assert TOKEN not in ran.out
        file.write_text(f"{file.read_text()}\n{ran.out}")
        bronze.well("run", "shop.orders", "--date", DATE)
        assert TOKEN not in bronze.well("inspect", f"{server.url}/orders", "--api", "shop").out
        elsewhere = bronze("inspect", "http://127.0.0.1:9/orders", "--api", "shop")
    assert elsewhere.status == 2
    assert "does not lie below the base_url" in elsewhere.errors[0]
    manifest = json.loads(
        (bronze.folder / f"lake/shop/orders/dt={DATE}/_metadata.json").read_text()
    )
    assert manifest["row_count"] == len(ROWS)


def configured(bronze: Bronze, server: Server, source: str) -> None:
    (bronze.folder / "pipelines.toml").write_text(
        f"""\
[apis.shop]
base_url = "{server.url}"

[apis.shop.auth]
type = "bearer"
token = "{TOKEN}"

[pipelines.local.orders]

[pipelines.local.orders.source]
type = "http"
api = "shop"
path = "/orders"
{source}
"""
    )


def test_pipeline_without_a_paginator_is_told_which(bronze: Bronze) -> None:
    with in_background(guarded(by_next_url)) as server:
        configured(bronze, server, 'records = "results"')
        found = bronze.well("inspect", "local.orders", "--json").json
        assert found["paginator"]["confidence"] == "confirmed"
        file = bronze.folder / "pipelines.toml"
        addition = tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]
        assert addition["primary_key"] == ["id"]
        assert addition["source"]["paginator"] == {"type": "next_url", "next_path": "next"}
        text = found["toml"].replace("[pipelines.local.orders]\nprimary_key", "\n#")
        check_and_run(bronze, file.read_text() + text, "local.orders")
        assert TOKEN not in json.dumps(found)
    assert len(landed(bronze, "orders")) == len(ROWS)


def test_pipeline_with_a_wrong_path_is_told_the_right_one(bronze: Bronze) -> None:
    with in_background(guarded(by_cursor)) as server:
        configured(bronze, server, 'records = "results"')
        found = bronze.well("inspect", "local.orders", "--json").json
    assert 'no "results" in the body' in found["notes"][0]
    assert tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]["source"]["records"] == (
        "items"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("demo.orders", "page"),
        ("demo.orders_new", "page"),
        ("demo.orders_offset", "offset"),
        ("demo.orders_cursor", "cursor"),
        ("demo.orders_link", "link_header"),
        ("demo.orders_next", "next_url"),
        ("demo.customers", "none"),
        ("demo.orders_basic", "page"),
    ],
)
def test_configured_pipelines_are_inspected_as_they_are(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch, demo_url: str, name: str, kind: str
) -> None:
    monkeypatch.setenv("DEMO_URL", demo_url)
    before = sorted(bronze.folder.iterdir())
    found = bronze.well("inspect", name, "--json", "--config", str(ROOT / "pipelines.toml")).json
    assert found["paginator"] == {
        "settings": {"type": kind},
        "confidence": "configured",
        "why": "as configured",
    }
    assert len(found["pages"]) == (1 if kind == "none" else 2)
    assert found["requests"] == len(found["pages"])
    assert found["primary_key"] == "id"
    assert sorted(bronze.folder.iterdir()) == before
    assert "demo-token" not in json.dumps(found)


def test_pipeline_that_needs_nothing(bronze: Bronze) -> None:
    async def handle(*_: object) -> bytes:
        return answer([{"name": "x", "size": 1}, {"name": "x", "size": 2}])

    with in_background(handle) as server:
        configured(bronze, server, "")
        found = bronze.well("inspect", "local.orders", "--json").json
    assert found["toml"] == "# Nothing to add to [pipelines.local.orders]\n"


def test_text_for_people(bronze: Bronze) -> None:
    with in_background(guarded(by_link)) as server:
        ran = bronze.well("inspect", f"{server.url}/orders", "-H", f"Authorization: Bearer {TOKEN}")
    lines = ran.out.splitlines()
    assert "primary key  id" in lines
    assert 'confirmed: the Link header names rel="next"' in ran.out
    assert any(line.startswith("o-01") for line in lines)
    assert "[pipelines.local.orders.source.paginator]" in lines


def test_the_guide_to_files_shows_what_is_printed(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bronze.folder)
    guide = Document("docs/files.md")
    (bronze.folder / "inbox").mkdir()
    (bronze.folder / "inbox/orders_20250115.csv").write_text(guide.blocks("csv")[0])
    command = next(line for line in guide.blocks("sh") if "bronze inspect" in line)
    toml = bronze.well(*shlex.split(command)[1:]).out
    assert toml in guide.blocks("toml")
    (bronze.folder / "pipelines.toml").write_text(toml)
    found = bronze.well("inspect", "inbox.orders", "--json").json
    assert found["toml"] == "# Nothing to add to [pipelines.inbox.orders]\n"
    assert {each["name"]: each["type"] for each in found["columns"]} == {
        "id": "int64",
        "zip": "string",
        "name": "string",
        "amount": "decimal128(18, 2)",
        "ordered_at": "timestamp[us, tz=UTC]",
    }
    lines = bronze.well("inspect", "inbox/orders_20250115.csv").out.splitlines()
    assert "delimiter    ;" in lines


def test_a_url_is_a_file_by_its_ending_or_where_it_is_said(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: object) -> bytes:
        return answer(status=405, body=b"") if seen.method == "HEAD" else answer(ROWS)

    with in_background(handle) as server:
        an_api = bronze.well("inspect", f"{server.url}/orders.json", "--json").json
        a_file = bronze.well("inspect", f"{server.url}/orders.json", "--json", "--files").json
        refused = bronze("inspect", f"{server.url}/orders.json", "--files", "-H", "A: b")
    assert an_api["paginator"]["settings"]["type"] == "none"
    assert (a_file["format"], a_file["rows"]) == ("json", len(ROWS))
    assert refused.status == 2
    assert "are of APIs" in refused.err
