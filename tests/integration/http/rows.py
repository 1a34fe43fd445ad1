"""APIs that serve rows: by page and size, by offset and size, or in a chain of links."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.http_server import Handler, Seen, answer

__all__ = ["ROWS", "chained", "paged"]

ROWS = [{"id": number, "amount": number * 1.25} for number in range(1, 96)]


def paged(
    *, total: bool = True, cap: int = 1000, compress: bool = False, past_end: int = 200
) -> Handler:
    """Serves ROWS by page and size, or by offset and size."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        size = min(cap, int(seen.query.get("limit", 10)))
        if "offset" in seen.query:
            start = int(seen.query["offset"])
        else:
            start = (int(seen.query.get("page", 1)) - 1) * size
        rows = ROWS[start : start + size]
        if not rows and past_end != 200:
            return answer({"error": "no such page"}, status=past_end)
        value: dict[str, Any] = {"data": {"items": rows}}
        if total:
            value["meta"] = {"total": len(ROWS)}
        return answer(value, compress=compress, headers={"Date": "Wed, 15 Jan 2025 10:00:00 GMT"})

    return handle


def chained(pages: int = 5) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        number = int(seen.query.get("cursor", 0))
        more = number + 1 < pages
        value: dict[str, Any] = {"items": [{"id": number}], "cursor": number + 1 if more else None}
        headers = {}
        if more:
            value["next"] = f"/x?cursor={number + 1}"
            headers["Link"] = f'</y>; rel="prev", </x?cursor={number + 1}>; rel="next"'
        return answer(value, headers=headers)

    return handle
