"""An API like Stripe's: lists by `limit` and `starting_after`, newest first.

Every list is `{"object": "list", "url", "has_more", "data"}`. More than 25 requests a second
are refused with 429 and no word on how long to wait; now and then a request fails with 500
and succeeds when it is asked again. The key goes as a bearer token or as Basic user.
https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

import base64
from typing import Any, Final

from aiohttp import web

from examples.serving import Bucket, number, serve

__all__ = ["CHARGES", "CUSTOMERS", "KEY"]

KEY: Final = "sk_test_example"
_BASIC: Final = base64.b64encode(f"{KEY}:".encode()).decode()

CUSTOMERS: Final[list[dict[str, Any]]] = [
    {
        "id": f"cus_{9999 - customer:04}",
        "object": "customer",
        "email": f"someone.{customer}@mail.example",
        "created": 1_736_000_000 - 60 * customer,
        "balance": -customer if customer % 4 == 0 else 0,
        "address": {"city": "Berlin", "country": "DE"} if customer % 2 else None,
        "metadata": {"plan": f"plan {customer % 3}"},
    }
    for customer in range(120)
]
CHARGES: Final[list[dict[str, Any]]] = [
    {
        "id": f"ch_{charge:05}",
        "object": "charge",
        "amount": 100 + charge,
        "currency": "eur",
        "created": 1_736_000_000 - 3600 * charge,
        "customer": CUSTOMERS[charge % len(CUSTOMERS)]["id"],
        "paid": charge % 9 != 0,
        "failure_code": "card_declined" if charge % 9 == 0 else None,
    }
    for charge in range(345)
]


class Stripe:
    """Two lists."""

    def __init__(self, pace: float) -> None:
        self._bucket = Bucket(25 * pace, 25 * pace)
        self._requests = 0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/v1/customers", self._customers)
        app.router.add_get("/v1/charges", self._charges)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") not in (f"Bearer {KEY}", f"Basic {_BASIC}"):
            return _error(401, "invalid_request_error", "Invalid API Key provided")
        if self._bucket.take():
            return _error(429, "rate_limit_error", "Request rate limit exceeded.")
        self._requests += 1
        if self._requests % 7 == 0:
            return _error(500, "api_error", "Something went wrong; ask again")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _customers(self, request: web.Request) -> web.StreamResponse:
        return _list(request, CUSTOMERS)

    async def _charges(self, request: web.Request) -> web.StreamResponse:
        return _list(request, CHARGES)


def _list(request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
    size = number(request, "limit", 10, 100)
    if since := request.query.get("created[gte]"):
        rows = [row for row in rows if row["created"] >= int(since)]
    start = 0
    if after := request.query.get("starting_after"):
        places = [place for place, row in enumerate(rows) if row["id"] == after]
        if not places:
            return _error(400, "invalid_request_error", "No such object in starting_after")
        start = places[0] + 1
    body = {
        "object": "list",
        "url": request.path,
        "has_more": start + size < len(rows),
        "data": rows[start : start + size],
    }
    return web.json_response(body)


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": {"type": kind, "message": message}}, status=status)


if __name__ == "__main__":
    serve(lambda pace: Stripe(pace).application(), 8802)
