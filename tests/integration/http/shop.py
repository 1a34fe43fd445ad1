"""A shop whose orders are parents, and their lines the children that are asked for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from bronze_engine.config.api import Api
from bronze_engine.config.http.paginator import CursorPaginator, PagePaginator
from bronze_engine.config.source import HttpSourceConfig, Parent
from tests.integration.http_server import Handler, Opened, Seen, answer, opened, serve

Lines = Callable[[int], list[dict[str, Any]]]


def lines_of(order: int) -> list[dict[str, Any]]:
    return [{"line": f"{order}-{number}"} for number in range(order % 4)]


def shop(orders: list[Any], lines: Lines = lines_of, *, size: int = 3) -> Handler:
    """`/orders?page=N`, and `/orders/ID/lines?cursor=N` with two lines a page."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/orders":
            start = (int(seen.query.get("page", 1)) - 1) * size
            return answer({"data": orders[start : start + size], "total": len(orders)})
        found = re.fullmatch(r"/orders/(\d+)/lines", seen.path)
        if found is None:
            return answer({"error": "no such thing"}, status=404)
        rows = lines(int(found[1]))
        start = int(seen.query.get("cursor", 0))
        body: dict[str, Any] = {"rows": rows[start : start + 2]}
        body["next"] = str(start + 2) if start + 2 < len(rows) else None
        return answer(body, headers={"Date": "Wed, 15 Jan 2025 10:00:00 GMT"})

    return handle


def orders_of(server_url: str, **fields: Any) -> Parent:
    settings: dict[str, Any] = {
        "api": Api(name="shop", base_url=server_url, proxy="none", concurrency=8),
        "path": "/orders",
        "records": "data",
        "paginator": PagePaginator(total_path="total"),
    }
    return Parent(name="team.orders", source=HttpSourceConfig(**{**settings, **fields}))


def children(**fields: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "path": "/orders/{parent.id}/lines",
        "records": "rows",
        "paginator": CursorPaginator(cursor_path="next"),
    }
    return {**settings, **fields}


ORDERS: list[dict[str, Any]] = [
    {"id": number, "customer": {"name": f"c{number}"}} for number in range(1, 12)
]

WANTED = [line for order in ORDERS for line in lines_of(order["id"])]


async def rows_of(handler: Handler, parent: dict[str, Any] | None = None, **source: Any) -> Opened:
    async with (
        serve(handler) as server,
        opened(server, parent=orders_of(server.url, **(parent or {})), **children(**source)) as one,
    ):
        await one.read()
        assert one.budget.pooled_bytes == one.budget.reserved_bytes == 0
        return one
