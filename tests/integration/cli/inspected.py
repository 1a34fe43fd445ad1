"""APIs for `bronze inspect`, one for each way to page, and what is done with its TOML."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.integration.cli.command import DATE, Bronze
from tests.integration.http_server import Handler, Seen, Server, answer

__all__ = [
    "QUERY",
    "ROWS",
    "SIZE",
    "TOKEN",
    "by_cursor",
    "by_graphql",
    "by_header",
    "by_key",
    "by_link",
    "by_next_url",
    "by_offset",
    "by_page",
    "by_search",
    "by_unnamed_offset",
    "by_unnamed_page",
    "check_and_run",
    "configured",
    "guarded",
    "in_one_page",
    "inspected",
    "landed",
    "rows_at",
]

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
QUERY = json.dumps(
    {"query": "query ($cursor: String) { orders(first: 3, after: $cursor) { nodes { id } } }"}
)


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


def inspected(bronze: Bronze, server: Server, *options: str) -> Any:
    url = f"{server.url}/orders"
    return bronze.well("inspect", url, "--json", *options).json


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
