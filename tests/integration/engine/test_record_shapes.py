"""Whole runs over responses of every shape: what lands, and what is rejected with its reason."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ExtractError, PageError, RetryError
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.stores import read_all
from tests.integration.http_server import Seen, Server, answer, serve
from tests.unit.run.harness import DAY, NAME, left_in, load_text, manifest_of, opened, table_of

pytestmark = pytest.mark.integration

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[apis.shop.retry]
backoff = "1ms"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
"""


class Shop:
    """Gives each answer in turn, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    async def __call__(self, _seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        found = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        if b"\r\nConnection: close\r\n" not in found:
            return found
        writer.write(found)
        await writer.drain()
        return None


@asynccontextmanager
async def shop(
    folder: Path, more: str, *answers: bytes
) -> AsyncIterator[tuple[Engine, MemoryStore, Server]]:
    store = MemoryStore()
    async with serve(Shop(*answers)) as server:
        config = load_text(CONFIG.format(url=server.url) + more, folder=folder)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            yield engine, store, server


async def landed(folder: Path, more: str, *answers: bytes) -> list[dict[str, Any]]:
    async with shop(folder, more, *answers) as (engine, store, _):
        await engine.run(NAME, run_date=DAY)
        rows = (await table_of(store)).to_pylist()
    return [{key: v for key, v in row.items() if not key.startswith("_")} for row in rows]


async def fault(folder: Path, more: str, *answers: bytes) -> BronzeError:
    async with shop(folder, more, *answers) as (engine, store, _):
        with pytest.raises(BronzeError) as caught:
            await engine.run(NAME, run_date=DAY)
        assert await manifest_of(store) is None
    return caught.value


async def rejects_of(store: MemoryStore) -> list[dict[str, Any]]:
    (key,) = [key for key in await left_in(store) if "/_quarantine/" in key]
    file = io.BytesIO(await read_all(store, key))
    lines = pa.CompressedInputStream(file, "zstd").read().splitlines()
    return [json.loads(line) for line in lines]


def unframed(body: bytes, kind: str) -> bytes:
    """An answer that only the end of its connection ends."""
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + body


NESTED = {
    "meta": {"at": "2025-01-15", "n": 1},
    "customers": [
        {"id": 7, "orders": [{"n": 1}, {"n": 2}]},
        {"id": 8},
        {"id": 9, "orders": [{"n": 3}]},
    ],
}


@pytest.mark.asyncio
async def test_nested_lists_land_with_what_is_around_them(tmp_path: Path) -> None:
    more = """
records = "$.customers[*].orders[*]"
[pipelines.team.orders.source.envelope]
customer_id = "^.id"
at = "meta.at"
"""
    assert await landed(tmp_path, more, answer(NESTED)) == [
        {"n": 1, "customer_id": 7, "at": "2025-01-15"},
        {"n": 2, "customer_id": 7, "at": "2025-01-15"},
        {"n": 3, "customer_id": 9, "at": "2025-01-15"},
    ]


@pytest.mark.asyncio
async def test_several_record_sets_land_in_their_order(tmp_path: Path) -> None:
    more = 'records = ["added", "removed"]\nrecord_set = "change"\n'
    body = {"removed": [{"id": 3}], "added": [{"id": 1}, {"id": 2}]}
    assert await landed(tmp_path, more, answer(body)) == [
        {"id": 1, "change": "added"},
        {"id": 2, "change": "added"},
        {"id": 3, "change": "removed"},
    ]


@pytest.mark.asyncio
async def test_an_error_beside_the_records_fails_or_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"result": [{"id": 1}], "error": {"message": "Transaction cancelled"}}
    more = 'records = "result"\n'
    with pytest.raises(PageError, match='has "error": Transaction cancelled, beside its records'):
        await landed(tmp_path, more, answer(body))
    rows = await landed(tmp_path, f'{more}partial_records = "warn"\n', answer(body))
    assert rows == [{"id": 1}]
    assert 'a page has "error": Transaction cancelled, beside its records' in caplog.text


@pytest.mark.asyncio
async def test_pages_that_leave_an_empty_list_out_land(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = """
records = "items"
absent_records = "empty"
[pipelines.team.orders.source.paginator]
type = "cursor"
cursor_path = "nextPageToken"
cursor_param = "pageToken"
"""
    pages = [
        {"items": [{"id": 1}], "nextPageToken": "b"},
        {"nextPageToken": "c"},
        {"items": [{"id": 2}]},
    ]
    assert await landed(tmp_path, more, *map(answer, pages)) == [{"id": 1}, {"id": 2}]
    assert "absent_records" not in caplog.text
    async with shop(tmp_path, more, answer({"itms": [{"id": 1}]})) as (engine, _, _):
        report = await engine.run(NAME, run_date=DAY)
    assert report.rows == 0
    assert (
        "no page has anything at records 'items', which absent_records takes for none"
        in caplog.text
    )


@pytest.mark.asyncio
async def test_children_that_are_one_object_each_land(tmp_path: Path) -> None:
    more = """
[pipelines.team.details.source]
type = "http"
api = "shop"
path = "/orders/{parent.id}"
parent = "orders"
parallel = 1
records = "order"
single_record = true
carry = { number = "id" }
"""
    parents = [{"id": 7}, {"id": 8}]
    orders = [{"order": {"total": 1.5}, "ok": True}, {"order": {"total": 2.5}, "ok": True}]
    answers = map(answer, [parents, *orders])
    async with shop(tmp_path, more, *answers) as (engine, store, server):
        await engine.run("team.details", run_date=DAY)
        rows = (await table_of(store, name="team.details")).select(["total", "number"]).to_pylist()
    assert rows == [{"total": 1.5, "number": 7}, {"total": 2.5, "number": 8}]
    assert [seen.path for seen in server.seen] == ["/orders", "/orders/7", "/orders/8"]


@pytest.mark.asyncio
async def test_values_and_arrays_land(tmp_path: Path) -> None:
    values = await landed(tmp_path, 'record_kind = "value"', answer([1, 2]))
    assert values == [{"value": 1}, {"value": 2}]
    more = 'record_kind = "array"\nrecord_keys = ["t", "p"]\n'
    assert await landed(tmp_path, more, answer([[1, 2.5], [3]])) == [
        {"t": 1, "p": 2.5},
        {"t": 3, "p": None},
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("more", "body", "rows", "rejects"),
    [
        (
            "",
            b'[{"a": 1}, 7, {"a": 2}]',
            [1, 2],
            [(1, b"7", 'a number instead of an object; record_kind = "value" or "array" lands')],
        ),
        (
            'record_kind = "array"\nrecord_keys = ["a"]\n',
            b"[[1], [1, 2], [3], 7]",
            [1, 3],
            [(1, b"[1, 2]", "2 elements, and record_keys names 1"), (3, b"7", "a number instead")],
        ),
        (
            'format = "csv"\n[pipelines.team.orders.schema.columns]\na = "int64"\n',
            b"a,b\n1,x\n2\n3,y\n",
            [1, 3],
            [(1, b"2", "row 3 has 1 fields instead of 2")],
        ),
        ('format = "ndjson"\n', b'{"a":1}\nx\n{"a":2}\n', [1, 2], [(1, b"x", "not JSON")]),
    ],
)
async def test_what_is_no_record_is_rejected_in_its_place(
    tmp_path: Path, more: str, body: bytes, rows: list[int], rejects: list[tuple[int, bytes, str]]
) -> None:
    more += "[pipelines.team.orders.quality]\nmax_bad_rows = 5\n"
    page = answer(body=body, headers={"Content-Type": "text/plain"})
    async with shop(tmp_path, more, page) as (engine, store, _):
        report = await engine.run(NAME, run_date=DAY)
        assert (await table_of(store)).column("a").to_pylist() == rows
        found = await rejects_of(store)
    assert report.rejected == len(rejects)
    assert [(reject["offset"], reject["raw"]) for reject in found] == [
        (offset, raw.decode()) for offset, raw, _ in rejects
    ]
    for reject, (_, _, reason) in zip(found, rejects, strict=True):
        assert reject["reason"].startswith(reason)


@pytest.mark.asyncio
async def test_a_page_of_rejects_alone_fails_by_the_thresholds(tmp_path: Path) -> None:
    more = 'record_kind = "array"\nrecord_keys = ["a"]\n'
    error = await fault(tmp_path, more, answer([1, 2]))
    assert error.code == "QUAL001"


@pytest.mark.asyncio
@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
async def test_ndjson_lands_whatever_it_is_compressed_with(tmp_path: Path, coding: str) -> None:
    body = b"".join(b'{"id":%d,"amount":0.10}\n' % n for n in range(1000))
    headers = {"Content-Type": "application/x-ndjson"}
    if coding:
        headers["Content-Encoding"] = coding
        body = gzip.compress(body) if coding == "gzip" else zstd(body)
    rows = await landed(tmp_path, 'format = "ndjson"', answer(body=body, headers=headers))
    assert [row["id"] for row in rows] == list(range(1000))


def zstd(body: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(body, asbytes=True))


@pytest.mark.asyncio
@pytest.mark.parametrize("cut", ["framed", "unframed", "zstd"])
async def test_a_cut_body_of_lines_is_asked_for_again(tmp_path: Path, cut: str) -> None:
    whole = b'{"id":1}\n{"id":2}\n'
    good = answer(body=whole, headers={"Content-Type": "application/x-ndjson"})
    match cut:
        case "framed":
            bad = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\n" + whole
        case "unframed":
            bad = unframed(whole[:-4], "application/x-ndjson")
        case _:
            bad = answer(body=zstd(whole)[:-3], headers={"Content-Encoding": "zstd"})
    assert await landed(tmp_path, 'format = "ndjson"', bad, good) == [{"id": 1}, {"id": 2}]


@pytest.mark.asyncio
async def test_an_unframed_body_of_lines_lands(tmp_path: Path) -> None:
    whole = b'{"id":1}\n{"id":2}\n'
    assert len(await landed(tmp_path, 'format = "ndjson"', unframed(whole, "text/plain"))) == 2


CSV = """
format = "csv"
[pipelines.team.orders.source.csv]
delimiter = ";"
null_values = ["", "n/a"]
skip_lines = 1
[pipelines.team.orders.schema.columns]
amount = "decimal(38,3)"
at = "timestamp(us, UTC)"
paid = "bool"
n = "int64"
"""


@pytest.mark.asyncio
async def test_csv_lands_typed_and_exact(tmp_path: Path) -> None:
    body = (
        "Report\n"
        "zip;amount;at;paid;n;note\r\n"
        "00123;12345678901234567890.125;2025-01-15T10:00:00+01:00;TRUE;7;Grüße\r\n"
        'n/a;0.1;2025-01-15T10:00:00Z;false;;"a\nb;""c"""\r\n'
    ).encode("latin-1")
    page = answer(body=body, headers={"Content-Type": "text/csv; charset=iso-8859-1"})
    rows = await landed(tmp_path, CSV, page)
    assert [row.pop("at").isoformat() for row in rows] == [
        "2025-01-15T09:00:00+00:00",
        "2025-01-15T10:00:00+00:00",
    ]
    assert rows == [
        {
            "zip": "00123",
            "amount": Decimal("12345678901234567890.125"),
            "paid": True,
            "n": 7,
            "note": "Grüße",
        },
        {"zip": None, "amount": Decimal("0.100"), "paid": False, "n": None, "note": 'a\nb;"c"'},
    ]


@pytest.mark.asyncio
async def test_csv_that_another_delimiter_divides_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    csv = {"Content-Type": "text/csv"}
    more = 'format = "csv"\n'
    body = answer(body=b"id\tname\n1\ta\n", headers=csv)
    assert await landed(tmp_path, more, body) == [{"id\tname": "1\ta"}]
    assert 'set csv.delimiter = "\\t"' in caplog.text
    caplog.clear()
    tabs = more + '[pipelines.team.orders.source.csv]\ndelimiter = "\\t"\n'
    assert await landed(tmp_path, tabs, body) == [{"id": "1", "name": "a"}]
    assert await landed(tmp_path, more, answer(body=b"id\n1;2\n", headers=csv)) == [{"id": "1;2"}]
    assert "csv.delimiter" not in caplog.text


@pytest.mark.asyncio
async def test_what_a_typed_column_of_csv_cannot_hold_goes_where_drift_goes(tmp_path: Path) -> None:
    more = 'format = "csv"\n[pipelines.team.orders.schema.columns]\nn = "int64"\n'
    page = answer(body=b"n\n1\n007\nx\n", headers={"Content-Type": "text/csv"})
    assert await landed(tmp_path, more, page) == [
        {"n": 1, "n__variant": None},
        {"n": None, "n__variant": '"007"'},
        {"n": None, "n__variant": '"x"'},
    ]


@pytest.mark.asyncio
async def test_pages_of_csv_may_name_their_columns_in_another_order(tmp_path: Path) -> None:
    more = """
format = "csv"
[pipelines.team.orders.source.paginator]
type = "page"
"""
    kind = {"Content-Type": "text/csv"}
    pages = [answer(body=body, headers=kind) for body in (b"a,b\n1,2\n", b"b,a\n3,4\n", b"a,b\n")]
    assert await landed(tmp_path, more, *pages) == [{"a": "1", "b": "2"}, {"a": "4", "b": "3"}]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("more", "page", "kind", "text"),
    [
        ("", answer(body=b"<feed/>", headers={"Content-Type": "text/xml"}), ExtractError, "XML"),
        ('records = "$.data[*].x"', answer({"d": 1}), PageError, 'no "data" in the body'),
        (
            'records = "d"\n[pipelines.team.orders.source.envelope]\nid = "n"\n',
            answer({"d": [{"id": 1}], "n": 2}),
            PageError,
            'a key "id" of their own',
        ),
        ('format = "csv"', answer({"error": "x"}), ExtractError, "JSON, not CSV"),
        (
            "",
            answer(body=b"x", headers={"Content-Encoding": "br"}),
            ExtractError,
            "compressed with 'br', and only gzip and zstd are read",
        ),
        ('format = "csv"', unframed(b'a,b\n1,"x', "text/csv"), RetryError, "no end"),
    ],
)
async def test_what_can_not_be_read_says_what_to_do(
    tmp_path: Path, more: str, page: bytes, kind: type[BronzeError], text: str
) -> None:
    error = await fault(tmp_path, more, page)
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.asyncio
async def test_a_raw_record_has_neither_envelope_nor_wrapping(tmp_path: Path) -> None:
    more = """
records = "d"
record_kind = "value"
[pipelines.team.orders.source.envelope]
n = "n"
[pipelines.team.orders.schema]
raw = true
"""
    page = answer(body=json.dumps({"d": [[1, {"a": 2}], 3.10], "n": 5}, indent=1).encode())
    async with shop(tmp_path, more, page) as (engine, store, _):
        await engine.run(NAME, run_date=DAY)
        table = await table_of(store)
    raws = [json.loads(raw or "") for raw in table.column("_raw").to_pylist()]
    assert raws == [[1, {"a": 2}], 3.1]
    assert table.column("n").to_pylist() == [5, 5]
