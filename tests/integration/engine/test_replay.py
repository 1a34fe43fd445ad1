"""Captured pages of a real server, decoded again when it is gone: the same files, no request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import PageError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport
from bronze_engine.sources.http.body.blocks import BLOCK_BYTES
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.stores import read_all
from tests.integration.http_server import Handler, Seen, Server, answer, serve
from tests.unit.run.harness import (
    DAY,
    left_in,
    load_text,
    manifest_of,
    opened,
    partition_of,
    table_of,
    unowned,
)

pytestmark = pytest.mark.integration

SECRET = "s3cr3t-of-the-api"

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
proxy = "none"
[apis.shop.auth]
type = "api_key"
name = "key"
location = "query"
key = "s3cr3t-of-the-api"
[apis.shop.retry]
attempts = 1
[pipelines.team.orders]
[pipelines.team.orders.source]
type = "http"
api = "shop"
capture = "pages"
"""

PAGES = """
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
type = "page"
"""


class Api:
    """Some pages of ten records, pretty or not; every answer can be given as it would be."""

    def __init__(self, *, pages: int = 3, **how: Any) -> None:
        self.pages = pages
        self.how = how

    def body(self, number: int) -> bytes:
        rows = [{"id": number * 10 + at, "note": "ë" * at} for at in range(10)]
        return json.dumps({"items": rows if number <= self.pages else []}, indent=1).encode()

    async def __call__(self, seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer(body=self.body(int(seen.query.get("page", 1))), **self.how)


class Bench:
    """A store, and engines of one configuration over it."""

    def __init__(self, folder: Path, url: str, text: str, *overrides: str) -> None:
        self.folder = folder
        self.url = url
        self.text = text
        self.overrides = overrides
        self.store = MemoryStore()

    @asynccontextmanager
    async def engine(self, *overrides: str, text: str | None = None) -> AsyncIterator[Engine]:
        whole = CONFIG.format(url=self.url) + (self.text if text is None else text)
        config = load_text(whole, *self.overrides, *overrides, folder=self.folder)
        async with opened(config, None, store=self.store, clock=SYSTEM_CLOCK) as engine:
            yield engine

    async def run(self) -> Manifest:
        async with self.engine() as engine:
            await engine.run("team.orders", run_date=DAY)
        return await self.manifest()

    async def replay(self, *overrides: str, text: str | None = None) -> tuple[RunReport, Manifest]:
        async with self.engine(*overrides, text=text) as engine:
            report = await engine.replay("team.orders", run_date=DAY)
        return report, await self.manifest()

    async def manifest(self) -> Manifest:
        manifest = await manifest_of(self.store)
        assert manifest is not None
        return manifest

    async def captured(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for file in (await self.manifest()).pages:
            body = await read_all(self.store, f"{partition_of()}/{file.name}")
            with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
                lines += map(json.loads, stream.read().splitlines())
        return lines

    async def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await table_of(self.store)).to_pylist()
        return rows


async def ran(
    folder: Path, handler: Handler, text: str, *overrides: str
) -> tuple[Bench, Manifest, Server]:
    """One run over a server that is gone afterwards."""
    async with serve(handler) as server:
        bench = Bench(folder, server.url, text, *overrides)
        manifest = await bench.run()
    return bench, manifest, server


async def assert_same_again(bench: Bench, first: Manifest, server: Server) -> None:
    asked = len(server.seen)
    report, again = await bench.replay()
    assert len(server.seen) == asked
    assert (report.requests, report.replay_of) == (0, first.run)
    assert [file.sha256 for file in again.files] == [file.sha256 for file in first.files]
    assert (again.row_count, again.pages) == (first.row_count, first.pages)
    assert again.watermark == first.watermark
    assert unowned(await left_in(bench.store), again) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
async def test_a_page_is_kept_to_the_byte_with_its_place(tmp_path: Path, compress: bool) -> None:
    date = format_datetime(datetime(2025, 1, 15, tzinfo=UTC), usegmt=True)
    api = Api(
        compress=compress,
        headers={
            "Date": date,
            "Link": f'<http://x/orders?page=2&key={SECRET}&other=1>; rel="next"',
            "Set-Cookie": "session=1",
            "X-Api-Token": "t",
        },
    )
    bench, manifest, server = await ran(tmp_path, api, PAGES)
    lines = await bench.captured()
    assert [line["page"] for line in lines] == [1, 2, 3, 4]
    assert [line["body"].encode() for line in lines] == [api.body(n) for n in range(1, 5)]
    assert all(line["status"] == 200 for line in lines)
    assert lines[1]["url"] == f"{server.url}/orders?page=2"
    assert lines[1]["headers"] == {
        "content-type": "application/json",
        "date": date,
        "link": '<http://x/orders?page=2&key=***&other=***>; rel="next"',
    }
    assert SECRET not in json.dumps(lines)
    assert SECRET in server.seen[0].query["key"]
    assert sum(file.page_count for file in manifest.pages) == manifest.source.pages_fetched == 4
    await assert_same_again(bench, manifest, server)


@pytest.mark.asyncio
async def test_a_replay_reads_the_records_from_where_todays_configuration_says(
    tmp_path: Path,
) -> None:
    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer({"items": [{"id": 1}], "removed": [{"id": 2}, {"id": 3}]})

    text = 'path = "/orders"\nrecords = "{}"\n'
    bench, first, _ = await ran(tmp_path, api, text.format("items"))
    assert first.row_count == 1
    _, second = await bench.replay(text=text.format("removed"))
    assert [row["id"] for row in await bench.rows()] == [2, 3]
    assert second.generation == 2
    with pytest.raises(PageError, match=r"page 1 \(http://127.0.0.1:\d+/orders\).*absent"):
        await bench.replay(text=text.format("absent"))
    assert await bench.manifest() == second


@pytest.mark.asyncio
async def test_raw_is_what_the_server_sent_then_and_again(tmp_path: Path) -> None:
    body = b'{"items": [\n {"id": 1,\n  "a": 1.50},\n {"id": 2}]}'

    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer(body=body)

    text = 'path = "/orders"\nrecords = "items"\n'
    bench, first, server = await ran(tmp_path, api, text, "schema.raw=true")
    assert [row["_raw"] for row in await bench.rows()] == [
        '{"id": 1,\n  "a": 1.50}',
        '{"id": 2}',
    ]
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_a_window_is_replayed_as_the_servers_clock_cut_it(tmp_path: Path) -> None:
    now = datetime(2025, 1, 15, 12, tzinfo=UTC)
    rows = [{"id": n, "at": (now + timedelta(minutes=n - 5)).isoformat()} for n in range(10)]

    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer(rows, headers={"Date": format_datetime(now, usegmt=True)})

    window = ("load=incremental", "incremental.cursor=at", "incremental.start_param=since")
    bench, first, server = await ran(tmp_path, api, 'path = "/orders"\n', *window)
    assert [row["id"] for row in await bench.rows()] == [0, 1, 2, 3, 4]
    await assert_same_again(bench, first, server)
    # A smaller lag lets nothing in that the next date's window reads.
    _, again = await bench.replay("incremental.lag=0s")
    assert (again.row_count, again.watermark) == (5, first.watermark)


CHILDREN = """
path = "/orders/{parent.id}/lines"
parent = "heads"
carry = { order_id = "id", head = "name" }
records = "items"
[pipelines.team.heads.source]
type = "http"
api = "shop"
path = "/heads"
records = "items"
"""


@pytest.mark.asyncio
async def test_children_are_replayed_with_what_they_carry(tmp_path: Path) -> None:
    async def api(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        if seen.path == "/heads":
            return answer({"items": [{"id": n, "name": f"ë {n}.50"} for n in range(5)]})
        order = int(seen.path.split("/")[2])
        return answer({"items": [{"line": n} for n in range(order)]})

    bench, first, server = await ran(tmp_path, api, CHILDREN)
    assert [row["order_id"] for row in await bench.rows()] == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]
    lines = await bench.captured()
    assert len(lines) == 5
    assert len({line["chain"] for line in lines}) == 5
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_pages_that_shifted_are_kept_as_they_were_read_last(tmp_path: Path) -> None:
    asked = 0

    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        nonlocal asked
        asked += 1
        return answer({"total": 2, "items": [{"id": 1}, {"id": 2}] if asked > 1 else []})

    text = f'on_shift = "retry"{PAGES}total_path = "total"\n'
    bench, first, server = await ran(tmp_path, api, text)
    assert asked == 2
    assert [json.loads(line["body"])["items"] for line in await bench.captured()] == [
        [{"id": 1}, {"id": 2}]
    ]
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_steps_of_a_window_are_replayed_row_for_row(tmp_path: Path) -> None:
    start = datetime(2025, 1, 10, tzinfo=UTC)
    rows = [{"id": n, "at": (start + timedelta(hours=5 * n)).isoformat()} for n in range(40)]

    async def api(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        low, high = (datetime.fromisoformat(seen.query[name]) for name in ("since", "until"))
        # Inclusive at both ends: what lies on a seam comes with two steps.
        found = [row for row in rows if low <= datetime.fromisoformat(str(row["at"])) <= high]
        return answer(found, headers={"Date": "Wed, 15 Jan 2025 12:00:00 GMT"})

    window = (
        "load=incremental",
        "incremental.cursor=at",
        "incremental.start_param=since",
        "incremental.end_param=until",
        "incremental.step=1d",
        "incremental.initial=2025-01-10T00:00:00+00:00",
    )
    bench, first, server = await ran(tmp_path, api, 'path = "/orders"\n', *window)
    ids = [row["id"] for row in await bench.rows()]
    assert ids == list(range(len(ids)))
    assert len({line["chain"] for line in await bench.captured()}) > 3
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "charset", "body", "raws"),
    [
        ("text/csv", "latin-1", 'id,name\n1,"Zoë, x"\n2,\n', ['1,"Zoë, x"', "2,"]),
        ("text/csv", "utf-16", "id,name\n1,Zoë\n", ["1,Zoë"]),
        (
            "application/x-ndjson",
            "utf-8",
            '{"id": 1}\r\n\n{"id": 2, "name": "ë"}',
            ['{"id": 1}', '{"id": 2, "name": "ë"}'],
        ),
    ],
)
async def test_other_formats_are_replayed_from_their_own_bytes(
    tmp_path: Path, kind: str, charset: str, body: str, raws: list[str]
) -> None:
    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        content_type = f"{kind}; charset={charset}"
        return answer(body=body.encode(charset), headers={"Content-Type": content_type})

    form = "csv" if kind == "text/csv" else "ndjson"
    text = f'path = "/orders"\nformat = "{form}"\n'
    bench, first, server = await ran(tmp_path, api, text, "schema.raw=true")
    assert [row["_raw"] for row in await bench.rows()] == raws
    [line] = await bench.captured()
    assert ("body_base64" in line) == (charset != "utf-8")
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_an_envelope_is_joined_again(tmp_path: Path) -> None:
    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer({"at": "noon", "items": [{"id": 1}, {"id": 2}]})

    text = 'path = "/orders"\nrecords = "items"\nenvelope = { exported = "at" }\n'
    bench, first, server = await ran(tmp_path, api, text, "schema.raw=true")
    assert [(row["exported"], row["_raw"]) for row in await bench.rows()] == [
        ("noon", '{"id": 1}'),
        ("noon", '{"id": 2}'),
    ]
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_no_credential_and_no_foreign_header_is_stored(tmp_path: Path) -> None:
    async def api(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer([{"id": 1}], headers={"Date": seen.query["key"], "X-Token": SECRET})

    bench, _, _ = await ran(
        tmp_path, api, f'path = "/orders/{SECRET}/x"\nparams.token = "t0k3n-x"\n'
    )
    [line] = await bench.captured()
    assert SECRET not in json.dumps(line)
    assert line["url"].endswith("/orders/***/x?token=***")
    assert line["headers"]["date"] == "***"


@pytest.mark.asyncio
async def test_a_page_of_several_blocks_is_kept_once(tmp_path: Path) -> None:
    body = json.dumps([{"id": n, "text": f"{n:0100}"} for n in range(80_000)]).encode()
    assert len(body) > 2 * BLOCK_BYTES

    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer(body=body)

    bench, first, server = await ran(tmp_path, api, 'path = "/orders"\n')
    [line] = await bench.captured()
    assert line["body"].encode() == body
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
async def test_no_more_of_a_page_is_replayed_than_was_taken(tmp_path: Path) -> None:
    bench, first, server = await ran(tmp_path, Api(), f"{PAGES}max_records = 15\n")
    assert (first.row_count, first.pages[0].page_count) == (15, 2)
    assert [line.get("taken") for line in await bench.captured()] == [None, 5]
    await assert_same_again(bench, first, server)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "body", "raws"),
    [
        ('record_kind = "value"', b'[1.50, "x"]', ["1.50", '"x"']),
        (
            'record_kind = "array"\nrecord_keys = ["a", "b"]',
            b"[[1, 2],\n [3,  4]]",
            ["[1, 2]", "[3,  4]"],
        ),
    ],
)
async def test_raw_of_records_that_are_no_objects_is_what_they_are(
    tmp_path: Path, kind: str, body: bytes, raws: list[str]
) -> None:
    async def api(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer(body=body)

    text = f'path = "/orders"\n{kind}\n'
    bench, first, server = await ran(tmp_path, api, text, "schema.raw=true")
    assert [row["_raw"] for row in await bench.rows()] == raws
    await assert_same_again(bench, first, server)
