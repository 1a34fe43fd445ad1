"""A server that pages in any way, and the paginators that read from it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PagePaginator,
)
from tests.integration.http_server import Handler, Seen, Server, answer
from tests.paged_rows import Kind, PagedRows

COUNT: Final = 23
SIZE: Final = 5
ROWS: Final = list(range(1, COUNT + 1))
GRANTED: Final = "gr4nted"

SIZED: Final[dict[str, Any]] = {"size_param": "size", "page_size": SIZE}
PAGINATORS: Final[dict[Kind, Any]] = {
    "page": PagePaginator,
    "offset": OffsetPaginator,
    "cursor": lambda **options: CursorPaginator(cursor_path="next_cursor", **options),
    "header_cursor": lambda **options: HeaderCursorPaginator(
        cursor_header="X-Next-Cursor", **options
    ),
    "keyset": lambda **options: KeysetPaginator(**{"param": "after", **options}),
    "next_url": lambda **options: NextUrlPaginator(next_path="links.next", **options),
    "link_header": LinkHeaderPaginator,
}


def served(rows: PagedRows) -> Handler:
    """Answers by query, headers, and the variables of a body, from wherever they come."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/token":
            return answer({"access_token": GRANTED, "expires_in": 3600})
        asked: dict[str, Any] = {**seen.headers, **seen.query}
        if seen.body:
            body = json.loads(seen.body)
            asked |= body.get("variables", body)
        value, headers = rows.answer({name.removeprefix("x-"): v for name, v in asked.items()})
        return answer(value, headers=headers)

    return handle


def pages_of(server: Server) -> list[Seen]:
    """The requests but those for tokens."""
    return [seen for seen in server.seen if seen.path != "/token"]
