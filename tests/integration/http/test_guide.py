"""What docs/http.md shows is run against servers that do what it says of them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.documents import HTTP
from tests.integration.cli.command import DATE, Bronze, in_background
from tests.integration.cli.conftest import RECORDS, bronze, demo_url
from tests.integration.http_server import Handler, Seen, answer

__all__ = ["bronze", "demo_url"]

pytestmark = pytest.mark.integration

COMMANDS = {
    "bronze check",
    "bronze check myteam.orders",
    "bronze demo --serve",
    "bronze inspect",
    "bronze inspect NAME",
    "bronze inspect URL",
    "bronze plan",
    "bronze quarantine show",
    "bronze replay NAME --date",
    "bronze replay shop.orders --date 2025-01-15",
    "bronze test-connection shop",
    "bronze verify",
}
"""What the prose shows. Whoever adds one runs it in a test below."""


def plain(respond: Callable[[Seen], bytes]) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return respond(seen)

    return handle


def block(section: str, containing: str) -> str:
    [found] = [each for each in HTTP.blocks("toml", section) if containing in each]
    return found


def write(bronze: Bronze, text: str, url: str) -> None:
    """A block as the configuration, its API at `url`."""
    names = set(re.findall(r'^api = "(\w+)"', text, re.MULTILINE))
    apis = [
        f'[apis.{name}]\nbase_url = "{url}"\nproxy = "none"\n[apis.{name}.retry]\nbackoff = "1ms"\n'
        for name in sorted(names)
    ]
    (bronze.folder / "pipelines.toml").write_text("\n".join([text, *apis]))


def landed(bronze: Bronze, pipeline: str) -> pa.Table:
    partition = bronze.folder / "bronze" / pipeline.replace(".", "/") / f"dt={DATE}"
    manifest = json.loads((partition / "_metadata.json").read_text())
    table = pa.concat_tables(pq.read_table(partition / f["name"]) for f in manifest["files"])
    return table.drop_columns(["_load_date", "_source_system", "_source_entity"])


def run(bronze: Bronze, pipeline: str) -> list[dict[str, Any]]:
    bronze.well("run", pipeline, "--date", DATE)
    return list(landed(bronze, pipeline).to_pylist())


def test_every_command_of_the_prose_is_known_to_this_test(bronze: Bronze) -> None:
    assert HTTP.commands("bronze") == COMMANDS
    for command in COMMANDS:
        bronze.well(command.split()[1], "--help")


def test_the_example_lands_what_the_demo_serves(bronze: Bronze, demo_url: str) -> None:
    [text] = HTTP.blocks("toml", "An example")
    (bronze.folder / "pipelines.toml").write_text(text.replace("http://127.0.0.1:8765", demo_url))
    [lines] = HTTP.blocks("sh", "An example")
    for line in lines.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "bronze"
        bronze.well(*arguments)
    assert landed(bronze, "myteam.orders").num_rows == RECORDS


def test_a_request_is_sent_as_the_guide_says(bronze: Bronze) -> None:
    with in_background(plain(lambda _: answer({"data": {"items": [{"id": 1}]}}))) as server:
        write(bronze, block("One page", "[pipelines"), server.url)
        assert run(bronze, "myteam.orders") == [{"id": 1}]
        [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", "/orders/search")
    assert seen.target.partition("?")[2] == "include=lines&include=customer&as_of=20250115"
    assert json.loads(seen.body) == {"filter": {"state": "paid", "on": DATE}}


def test_parameters_go_into_the_body(bronze: Bronze) -> None:
    def contacts(seen: Seen) -> bytes:
        body = json.loads(seen.body)
        assert (body["filter"], body["limit"]) == ({"changed_since": DATE}, 100)
        start = int(body.get("after", 0))
        paging = {"next": {"after": str(start + 2)}} if start < 4 else {}
        return answer({"results": [{"id": start}, {"id": start + 1}], "paging": paging})

    with in_background(plain(contacts)) as server:
        write(bronze, block("Paginators", 'param_in = "body"'), server.url)
        assert [row["id"] for row in run(bronze, "crm.contacts")] == list(range(6))


def test_parameters_go_into_texts(bronze: Bronze) -> None:
    def invoices(seen: Seen) -> bytes:
        start = int(re.findall(r"\d+", seen.query["query"])[0])
        rows = [{"Id": start + n} for n in range(1000 if start == 1 else 0)]
        return answer({"QueryResponse": {"Invoice": rows} if rows else {}})

    with in_background(plain(invoices)) as server:
        write(bronze, block("Paginators", 'param_in = "template"'), server.url)
        assert len(run(bronze, "books.invoices")) == 1000
        assert len(server.seen) == 2


def test_graphql_pages_by_page_info(bronze: Bronze) -> None:
    def orders(seen: Seen) -> bytes:
        variables = json.loads(seen.body)["variables"]
        start = int(variables.get("after", 0))
        assert variables["first"] == 100
        nodes = [{"id": f"gid://{start}", "name": "#1", "updatedAt": f"{DATE}T00:00:00Z"}]
        info = {"hasNextPage": start < 2, "endCursor": str(start + 1)}
        return answer({"data": {"orders": {"nodes": nodes, "pageInfo": info}}})

    with in_background(plain(orders)) as server:
        write(bronze, block("Paginators", "graphql"), server.url)
        assert [row["id"] for row in run(bronze, "shop.orders")] == [
            "gid://0",
            "gid://1",
            "gid://2",
        ]


def test_what_is_around_the_records_is_joined(bronze: Bronze) -> None:
    body = {
        "meta": {"exported_at": "now"},
        "customers": [{"id": 7, "orders": [{"n": 1}, {"n": 2}]}, {"id": 8, "orders": [{"n": 3}]}],
    }
    with in_background(plain(lambda _: answer(body))) as server:
        write(bronze, block("Records", "envelope"), server.url)
        found = run(bronze, "shop.orders")
    assert [(row["n"], row["customer_id"], row["exported_at"]) for row in found] == [
        (1, 7, "now"),
        (2, 7, "now"),
        (3, 8, "now"),
    ]


def test_csv_lands_as_configured(bronze: Bronze) -> None:
    rows = '""\t5\t1.50\nn/a\t\tn/a\ncafé\t7\t+00.1\nx\t007\t2\n'
    body = f"Report\nof today\nname\tclicks\tspend\n{rows}"
    csv = answer(body=body.encode("latin-1"), headers={"Content-Type": "text/csv"})
    with in_background(plain(lambda _: csv)) as server:
        write(bronze, block("Formats", "delimiter"), server.url)
        found = run(bronze, "ads.report")
    assert [(row["name"], row["clicks"], row["spend"] and str(row["spend"])) for row in found] == [
        ("", 5, "1.5000"),
        (None, None, None),
        ("café", 7, "0.1000"),
        ("x", None, "2.0000"),
    ]
    assert [row["clicks__variant"] for row in found] == [None, None, None, '"007"']


def test_columns_have_the_types_of_the_guide(bronze: Bronze) -> None:
    record = {
        "amount": 1.5, "created_at": f"{DATE}T10:00:00+01:00", "paid_at": 1736935200000,
        "payload": {"b": [1]}, "address": {"city": "Zug", "geo": {"lat": 47.1}},
    }  # fmt: skip
    text = block("Schema and exactness", "on_drift")
    text += '[pipelines.myteam.orders.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
    with in_background(plain(lambda _: answer([record]))) as server:
        write(bronze, text, server.url)
        bronze.well("run", "myteam.orders", "--date", DATE)
    table = landed(bronze, "myteam.orders")
    assert {field.name: str(field.type) for field in table.schema} == {
        "amount": "decimal128(18, 4)",
        "created_at": "timestamp[us, tz=UTC]",
        "paid_at": "timestamp[us, tz=UTC]",
        "payload": "string",
        "address__city": "string",
        "address__geo": "struct<lat: double>",
    }


def test_rows_that_came_before_are_dropped(bronze: Bronze) -> None:
    text = block("When a reading ends", "duplicates")
    text += '[pipelines.myteam.orders.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
    with in_background(plain(lambda _: answer([{"id": 1}, {"id": 2}, {"id": 1}]))) as server:
        write(bronze, text, server.url)
        assert run(bronze, "myteam.orders") == [{"id": 1}, {"id": 2}]


def test_a_window_is_read_in_steps(bronze: Bronze) -> None:
    text = block("Incremental windows", "step")
    beginning = datetime.now(UTC).replace(microsecond=0) - timedelta(days=4)
    text = text.replace("initial = 2024-01-01", f"initial = {beginning:%Y-%m-%dT%H:%M:%SZ}")
    rows = [
        {"id": hour, "updated_at": f"{beginning + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"}
        for hour in range(1, 80)
    ]

    def events(seen: Seen) -> bytes:
        since, until = seen.query["since"], seen.query["until"]
        inside = [row for row in rows if since <= str(row["updated_at"]) < until]
        date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return answer({"data": inside}, headers={"Date": date})

    with in_background(plain(events)) as server:
        write(bronze, text, server.url)
        assert [row["id"] for row in run(bronze, "myteam.events")] == list(range(1, 80))
        assert len(server.seen) == 4


def test_children_carry_what_they_are_told_to(bronze: Bronze) -> None:
    def shop(seen: Seen) -> bytes:
        if seen.path == "/orders":
            return answer({"data": [{"id": 1}, {"id": 2}, {"id": 3}]})
        number = int(seen.path.split("/")[2])
        if number == 2:
            return answer({"message": "no lines"}, status=404)
        return answer({"data": [{"line": 10 * number}, {"line": 10 * number + 1}]})

    with in_background(plain(shop)) as server:
        write(bronze, block("Children of parents", "parent"), server.url)
        found = run(bronze, "myteam.lines")
    assert [(row["line"], row["order_id"]) for row in found] == [
        (10, 1),
        (11, 1),
        (30, 3),
        (31, 3),
    ]


def test_an_export_is_made_polled_and_read(bronze: Bronze) -> None:
    def ads(seen: Seen) -> bytes:
        if seen.path == "/reports":
            assert json.loads(seen.body) == {"day": DATE}
            return answer({"id": "r-1"})
        if seen.path == "/reports/r-1":
            files = {"url": "/files/1.csv"}
            return answer({"status": "COMPLETE", "result": {"files": files}})
        assert seen.path == "/files/1.csv"
        return answer(body=b"id,clicks\n007,5\n", headers={"Content-Type": "text/csv"})

    with in_background(plain(ads)) as server:
        text = block("Exports", "poll").replace('interval = "5s"', 'interval = "10ms"')
        write(bronze, text, server.url)
        assert run(bronze, "ads.report") == [{"id": "007", "clicks": "5"}]


def test_captured_pages_are_replayed_without_the_api(bronze: Bronze) -> None:
    body = b'{"data": {"items": [ {"id": 1.0} ], "more": [{"id": 2}]}}'
    text = block("Raw records, captured pages, replay", "capture")
    [line] = [each for each in sorted(COMMANDS) if each.startswith("bronze replay shop")]
    with in_background(plain(lambda _: answer(body=body))) as server:
        write(bronze, text, server.url)
        assert run(bronze, "shop.orders") == [{"id": 1.0, "_raw": '{"id": 1.0}'}]
    pages = list((bronze.folder / "bronze/shop/orders").glob("*/_pages/*.jsonl.zst"))
    [page] = pa.input_stream(pages[0], compression="zstd").read().splitlines()
    assert {"status", "url", "fetched_at", "headers", "body"} <= json.loads(page).keys()
    assert json.loads(page)["body"].encode() == body
    bronze.well(*shlex.split(line)[1:], "--set", "source.records=data.more")
    assert landed(bronze, "shop.orders").to_pylist() == [{"id": 2.0, "_raw": '{"id": 2}'}]


def test_the_commands_that_inspect_print_toml(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    [lines] = HTTP.blocks("sh", "Inspect")
    monkeypatch.setenv("SHOP_TOKEN", "canary-of-the-shop")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def shop(seen: Seen) -> bytes:
        if "/v1/" in seen.path:
            assert seen.headers["authorization"] == "Bearer canary-of-the-shop"
        return answer({"data": [{"id": 1}, {"id": 2}], "next": None})

    with in_background(plain(shop)) as server:
        source = '[pipelines.myteam.orders.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
        write(bronze, source + 'records = "data"\n', server.url)
        before = sorted(bronze.folder.rglob("*"))
        for line in lines.splitlines():
            command = line.replace("https://api.example.com", server.url)
            ran = bronze.well(*shlex.split(command)[1:])
            assert "canary" not in ran.out + ran.err
            assert "[pipelines." in ran.out
            tomllib.loads(bronze.well(*shlex.split(command)[1:], "--toml").out)
        assert sorted(bronze.folder.rglob("*")) == before


def test_a_connection_is_tried_out(bronze: Bronze) -> None:
    with in_background(plain(lambda _: answer([{"id": 1}]))) as server:
        write(bronze, block("Children of parents", "parent"), server.url)
        assert "ok" in bronze.well("test-connection", "shop").out


def test_files_that_the_guide_links_to_are_there() -> None:
    assert {link.partition("#")[0] for link in HTTP.links()} >= {
        "operations.md",
        "reading.md",
        "stores.md",
        "../pipelines.toml",
        "../examples/README.md",
    }
    assert all((Path(HTTP.path).parent / link.partition("#")[0]).exists() for link in HTTP.links())
