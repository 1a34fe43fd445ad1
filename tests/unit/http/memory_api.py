"""An API in memory that fails on demand; stands in for the client of an API."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import anyio.lowlevel
import httpx

from bronze_engine.config.api import Api
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.wire.client import Answer
from tests.paged_rows import PagedRows

T = TypeVar("T")

Fault = Literal["ok", "500", "429", "timeout", "reset", "cut gzip", "cut unframed"]

BASE = "https://api.example.com"


class MemoryApi:
    """Each request takes the next of `faults`, and the next of `delays`, in turns of the loop."""

    def __init__(
        self, rows: PagedRows, *, faults: Iterable[Fault] = (), delays: Iterable[int] = ()
    ) -> None:
        self.credentials = Credentials(Api(name="shop", base_url=BASE))
        self.total_seconds = 600.0
        self.requests = 0
        self.failed = 0
        self._rows = rows
        self._faults = iter(faults)
        self._delays = iter(delays)

    async def admitted(self, operation: Callable[[], Awaitable[T]], *_: object) -> T:
        return await operation()

    async def fetch(
        self,
        _: str,
        url: str,
        body: bytes | None,
        *,
        on_request: Callable[[], None],
        on_bytes: Callable[[int], None],
        headers: Mapping[str, str] | None = None,
        **_limits: object,
    ) -> Answer:
        on_request()
        self.requests += 1
        asked: dict[str, Any] = dict(parse_qsl(urlsplit(url).query))
        if body is not None:
            asked |= json.loads(body)["variables"]
        asked |= headers or {}
        fault = next(self._faults, "ok")
        self.failed += fault != "ok"
        for _turn in range(next(self._delays, 0)):
            await anyio.lowlevel.checkpoint()
        if fault == "timeout":
            raise httpx.ReadTimeout("silence for longer than the read timeout")
        if fault == "reset":
            raise httpx.RemoteProtocolError("the body was cut off")
        if fault in ("500", "429"):
            return answer(url, b"{}", {"retry-after": "1"}, status=int(fault))
        value, more = self._rows.answer(asked)
        more = {name.lower(): text for name, text in more.items()}
        content = json.dumps(value).encode()
        on_bytes(len(content))
        if fault == "cut gzip":
            content = gzip.compress(content)
            return answer(url, content[: len(content) // 2], {"content-encoding": "gzip"})
        if fault == "cut unframed":
            return answer(url, content[:-1], more, is_framed=False)
        return answer(url, content, more)


def answer(
    url: str,
    content: bytes,
    headers: dict[str, str],
    *,
    status: int = 200,
    is_framed: bool = True,
) -> Answer:
    framed = {"content-length": str(len(content))} if is_framed else {}
    return Answer(status=status, headers={**framed, **headers}, url=url, chunks=[content])
