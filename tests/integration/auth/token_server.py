"""An API with an authorisation server: pages for whoever has a token that is good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.integration.http_server import Seen, answer
from tests.issuer import Issuer

PAGES = 3


class TokenServer:
    """A handler for `http_server.serve`: /token, /login, and pages of one record at /x.

    `gate` is how many requests for pages must have come before the first of them is judged.
    """

    def __init__(self, issuer: Issuer, *, pages: int = PAGES) -> None:
        self.issuer = issuer
        self.pages = pages
        self.gate = 0
        self.faults: list[bytes] = []
        """Answers to the next requests for a token, in place of the issuer's."""
        self.judged: list[tuple[str, bool]] = []
        """The Authorization of each request for a page, and whether it was let in."""
        self._waiting = 0
        self._open = asyncio.Event()
        self.on_page: Callable[[int], None] = lambda _: None

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/token":
            if self.faults:
                return self.faults.pop(0)
            form = dict(parse_qsl(seen.body.decode(), keep_blank_values=True))
            status, body = self.issuer.answer(form, seen.headers.get("authorization", ""))
            return answer(body, status=status)
        page = int(seen.query.get("page", "1"))
        self.on_page(page)
        if page > 1 and self.gate:
            self._waiting += 1
            if self._waiting >= self.gate:
                self._open.set()
            await self._open.wait()
        authorization = seen.headers.get("authorization", "")
        is_in = self.issuer.lets_in(authorization)
        self.judged.append((authorization, is_in))
        if not is_in:
            return answer({"error": f"you sent {authorization}"}, status=401)
        return answer([{"id": page}] if page <= self.pages else [])


def rows(count: int) -> list[Any]:
    return [json.loads(f'{{"id": {number}}}') for number in range(1, count + 1)]
