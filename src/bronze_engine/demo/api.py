"""The demo's HTTP API: one table under every way of paging and every kind of credential.

    /orders         ?page=&page_size=     {"data": […], "total": n}              Bearer
    /orders-offset  ?offset=&limit=       {"data": […], "total": n}              Bearer
    /orders-cursor  ?cursor=&page_size=   {"data": […], "next": token or null}   Bearer
    /orders-link    ?page=&page_size=     […], Link: <…>; rel="next"             Bearer
    /orders-next    ?page=&page_size=     {"data": […], "links": {"next": url}}  Bearer
    /orders-header  ?cursor=&page_size=   {"data": […]}, X-Next-Cursor: token    Bearer
    /orders-keyset  ?after=id&page_size=  {"data": […], "has_more": boolean}     Bearer
    /graphql        POST, variables `after` and `first`: a connection `orders`   Bearer
    /customers                            […]                                    Bearer
    /basic/orders   as /orders                                                   Basic
    /key/orders     as /orders                                                   X-API-Key
    /down/orders    503, always                                                  Bearer

and as /orders, too, what demo.auth lets in: tokens that it gives out, and signatures.

`since=` on any of them keeps the records with a later `updated_at`. The first time that
a page is asked for, it may answer 429 with `Retry-After: 1`, or 500, as the seed decides.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final, final

import msgspec
from aiohttp import web

from bronze_engine.clock import Clock
from bronze_engine.demo.auth import DemoAuth
from bronze_engine.demo.data import Table

__all__ = ["API_KEY", "BASIC_PASSWORD", "BASIC_USER", "BEARER_TOKEN", "MAX_PAGE_SIZE", "DemoApi"]

BEARER_TOKEN: Final = "demo-token"  # noqa: S105  # the demo's, printed in its documents
BASIC_USER: Final = "demo"
BASIC_PASSWORD: Final = "demo-password"  # noqa: S105
API_KEY: Final = "demo-key"
MAX_PAGE_SIZE: Final = 1000

_BASIC: Final = base64.b64encode(f"{BASIC_USER}:{BASIC_PASSWORD}".encode()).decode()
_WANTED: Final = {
    "basic": ("Authorization", f"Basic {_BASIC}", "Basic"),
    "key": ("X-API-Key", API_KEY, None),
}
_BEARER: Final = ("Authorization", f"Bearer {BEARER_TOKEN}", "Bearer")
_NUMBER: Final = re.compile(r"\d{1,12}")


class _Variables(msgspec.Struct):
    after: str | None = None
    first: int | None = None


class _Query(msgspec.Struct):
    query: str
    variables: _Variables = msgspec.field(default_factory=_Variables)


@final
class DemoApi:
    """Handlers over two tables. `latency_seconds` is waited before each answer."""

    def __init__(
        self,
        *,
        orders: Table,
        customers: Table,
        clock: Clock,
        page_size: int = 100,
        latency_seconds: float = 0.0,
        fault_rate: float = 0.0,
        seed: int = 1,
        compress: bool = False,
    ) -> None:
        self._orders = orders
        self._customers = customers
        self._clock = clock
        self._page_size = page_size
        self._latency_seconds = latency_seconds
        self._fault_rate = fault_rate
        self._seed = seed
        self._compress = compress
        self._auth = DemoAuth(clock)
        self._asked: set[str] = set()
        self._compressed: dict[tuple[bytes, int, int, bytes], bytes] = {}

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/orders", self._paged)
        for first in ("basic", "key", "oauth", "refresh", "jwt", "login", "hmac", "sigv4"):
            app.router.add_get(f"/{first}/orders", self._paged)
        app.router.add_get("/down/orders", self._down)
        app.router.add_post("/token", self._auth.token)
        app.router.add_post("/session", self._auth.session)
        app.router.add_get("/orders-offset", self._offset)
        app.router.add_get("/orders-cursor", self._cursor)
        app.router.add_get("/orders-link", self._link)
        app.router.add_get("/orders-next", self._next)
        app.router.add_get("/orders-header", self._header)
        app.router.add_get("/orders-keyset", self._keyset)
        app.router.add_post("/graphql", self._graphql)
        app.router.add_get("/customers", self._all_customers)
        return app

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if self._latency_seconds:
            await self._clock.sleep(self._latency_seconds)
        header, wanted, scheme = _WANTED.get(request.path.split("/")[1], _BEARER)
        if self._auth.knows(request):
            refused = await self._auth.refusal(request)
            if refused is not None:
                return _problem(401, refused)
        elif request.headers.get(header) != wanted:
            challenge = {"WWW-Authenticate": f'{scheme} realm="demo"'} if scheme else {}
            return _problem(401, f"{header} is missing or wrong", challenge)
        if self._fault_rate and (fault := self._fault(request)):
            return fault
        try:
            return await handler(request)
        except ValueError as exc:
            return _problem(400, str(exc))

    def _fault(self, request: web.Request) -> web.Response | None:
        # Parameters are sorted: how a client orders them must not change its luck.
        page = f"{request.path} {sorted(request.query.items())}"
        if page in self._asked:
            return None
        self._asked.add(page)
        digest = hashlib.blake2b(f"{self._seed} {page}".encode(), digest_size=8).digest()
        draw = int.from_bytes(digest) / 2**64
        if draw < self._fault_rate / 2:
            return _problem(429, "slow down", {"Retry-After": "1"})
        if draw < self._fault_rate:
            return _problem(500, "something broke")
        return None

    async def _paged(self, request: web.Request) -> web.StreamResponse:
        start, stop, total, _ = self._place(request)
        return await self._send(request, b'{"data":', start, stop, b',"total":%d}' % total)

    async def _down(self, _: web.Request) -> web.StreamResponse:
        return _problem(503, "down for maintenance")

    async def _offset(self, request: web.Request) -> web.StreamResponse:
        first = self._first(request)
        total = len(self._orders) - first
        start = first + min(_number(request.query.get("offset"), "offset", 0), total)
        stop = start + self._size(request, "limit")
        return await self._send(request, b'{"data":', start, stop, b',"total":%d}' % total)

    async def _cursor(self, request: web.Request) -> web.StreamResponse:
        cursor = request.query.get("cursor")
        start = self._first(request) if cursor is None else _open_cursor(cursor)
        stop = start + self._size(request, "page_size")
        token = _make_cursor(stop) if stop < len(self._orders) else None
        tail = b',"next":%b}' % msgspec.json.encode(token)
        return await self._send(request, b'{"data":', start, stop, tail)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        start, stop, _, url = self._place(request)
        headers = {} if url is None else {"Link": f'<{url}>; rel="next"'}
        return await self._send(request, b"", start, stop, b"", headers)

    async def _next(self, request: web.Request) -> web.StreamResponse:
        start, stop, _, url = self._place(request)
        tail = b',"links":{"next":%b}}' % msgspec.json.encode(url)
        return await self._send(request, b'{"data":', start, stop, tail)

    async def _header(self, request: web.Request) -> web.StreamResponse:
        cursor = request.query.get("cursor")
        start = self._first(request) if cursor is None else _open_cursor(cursor)
        stop = start + self._size(request, "page_size")
        headers = {"X-Next-Cursor": _make_cursor(stop)} if stop < len(self._orders) else {}
        return await self._send(request, b'{"data":', start, stop, b"}", headers)

    async def _keyset(self, request: web.Request) -> web.StreamResponse:
        # The ids are those of the places, from 1.
        start = max(self._first(request), _number(request.query.get("after"), "after", 0))
        stop = start + self._size(request, "page_size")
        more = b"true" if stop < len(self._orders) else b"false"
        return await self._send(request, b'{"data":', start, stop, b',"has_more":%b}' % more)

    async def _graphql(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = msgspec.json.decode(await request.read(), type=_Query)
        except msgspec.DecodeError as exc:
            raise ValueError(f"the body is no GraphQL request: {exc}") from None
        if "orders" not in asked.query:
            errors = [{"message": "only orders can be asked for"}]
            return web.json_response({"data": None, "errors": errors})
        after, first = asked.variables.after, asked.variables.first
        start = 0 if after is None else _open_cursor(after)
        stop = start + _size_in(first or self._page_size, "first")
        info = {
            "hasNextPage": stop < len(self._orders),
            "endCursor": _make_cursor(min(stop, len(self._orders))),
        }
        tail = b',"pageInfo":%b}}}' % msgspec.json.encode(info)
        return await self._send(request, b'{"data":{"orders":{"nodes":', start, stop, tail)

    async def _all_customers(self, request: web.Request) -> web.StreamResponse:
        since = request.query.get("since")
        start = 0 if since is None else self._customers.after(since)
        body = b"".join(self._customers.array(start, len(self._customers)))
        return web.Response(body=body, content_type="application/json")

    def _place(self, request: web.Request) -> tuple[int, int, int, str | None]:
        """Start, stop, total, and the next page's URL for a page asked by its number."""
        first = self._first(request)
        total = len(self._orders) - first
        page = _number(request.query.get("page"), "page", 1)
        if page < 1:
            raise ValueError("page begins at 1")
        size = self._size(request, "page_size")
        start = first + min((page - 1) * size, total)
        more = page * size < total
        return start, start + size, total, _url(request, page + 1) if more else None

    def _first(self, request: web.Request) -> int:
        since = request.query.get("since")
        return 0 if since is None else self._orders.after(since)

    def _size(self, request: web.Request, name: str) -> int:
        return _size_in(_number(request.query.get(name), name, self._page_size), name)

    async def _send(
        self,
        request: web.Request,
        head: bytes,
        start: int,
        stop: int,
        tail: bytes,
        headers: dict[str, str] | None = None,
    ) -> web.StreamResponse:
        pieces = (head, *self._orders.array(start, stop), tail)
        response = web.StreamResponse(headers=headers)
        response.content_type = "application/json"
        if self._compress and "gzip" in request.headers.get("Accept-Encoding", ""):
            key = (head, start, stop, tail)
            if (packed := self._compressed.get(key)) is None:
                packed = self._compressed[key] = gzip.compress(b"".join(pieces), 1, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
            pieces = (packed,)
        response.content_length = sum(len(piece) for piece in pieces)
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        await response.write_eof()
        return response


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": detail}, status=status, headers=headers)


def _size_in(size: int, name: str) -> int:
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ValueError(f"{name} lies between 1 and {MAX_PAGE_SIZE}")
    return size


def _number(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is no number")
    return int(text)


def _url(request: web.Request, page: int) -> str:
    return str(request.url.update_query(page=page))


def _make_cursor(start: int) -> str:
    return base64.urlsafe_b64encode(b"from %d" % start).decode()


def _open_cursor(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"from "))
    except ValueError:
        raise ValueError("cursor is none of mine") from None
