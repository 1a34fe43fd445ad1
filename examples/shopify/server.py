"""An API like Shopify's Admin API: orders over REST, products over GraphQL.

REST is paged by a Link header whose URL has `page_info`, beside which only `limit` is taken.
A bucket of 40 requests leaks 2 a second, and every answer says how full it is
(X-Shopify-Shop-Api-Call-Limit: 32/40); 429 with Retry-After follows. A GraphQL query costs
what it asks for, out of 1,000 points that come back at 50 a second; one that is too dear is
answered with 200 and the error THROTTLED.
https://shopify.dev/docs/api/usage/limits
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from examples.serving import Bucket, number, serve

__all__ = ["ORDERS", "PRODUCTS", "TOKEN"]

TOKEN: Final = "shpat_example"  # noqa: S105  # of an API that holds nothing
VERSION: Final = "2025-01"

ORDERS: Final[list[dict[str, Any]]] = [
    {
        "id": 450_789_469_000 + order,
        "name": f"#{order}",
        "email": f"someone.{order}@mail.example",
        "total_price": f"{order}.{order % 100:02}",
        "currency": "EUR",
        "created_at": f"2025-01-{1 + order % 28:02}T09:00:00-05:00",
        "updated_at": f"2025-01-{1 + order % 28:02}T12:30:00-05:00",
        "line_items": [{"id": 10 * order + line, "quantity": line} for line in range(order % 3)],
    }
    for order in range(1, 281)
]
PRODUCTS: Final[list[dict[str, Any]]] = [
    {
        "id": f"gid://shopify/Product/{product}",
        "title": f"Product {product}",
        "totalInventory": 7 * product,
        "updatedAt": f"2025-01-{1 + product % 28:02}T12:30:00Z",
    }
    for product in range(1, 131)
]


class Shopify:
    """One shop."""

    def __init__(self, pace: float) -> None:
        self._rest = Bucket(40, 2 * pace)
        self._graphql = Bucket(1000, 50 * pace)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"/admin/api/{VERSION}/orders.json", self._orders)
        app.router.add_post(f"/admin/api/{VERSION}/graphql.json", self._query)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("X-Shopify-Access-Token") != TOKEN:
            return web.json_response(
                {"errors": "[API] Invalid API key or access token"}, status=401
            )
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _orders(self, request: web.Request) -> web.Response:
        if wait := self._rest.take():
            errors = {"errors": "Exceeded 2 calls per second for api client."}
            headers = {"Retry-After": f"{wait:.1f}"}
            return web.json_response(errors, status=429, headers=headers)
        size, token = number(request, "limit", 50, 250), request.query.get("page_info")
        if token is not None and set(request.query) - {"page_info", "limit"}:
            errors = {"errors": "page_info takes no other parameters"}
            return web.json_response(errors, status=400)
        start = 0 if token is None else int(base64.urlsafe_b64decode(token))
        used = self._rest.capacity - self._rest.left
        headers = {"X-Shopify-Shop-Api-Call-Limit": f"{used:.0f}/{self._rest.capacity:.0f}"}
        if start + size < len(ORDERS):
            following = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            url = request.url.with_query(limit=size, page_info=following)
            headers["Link"] = f'<{url}>; rel="next"'
        return web.json_response({"orders": ORDERS[start : start + size]}, headers=headers)

    async def _query(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        if not re.search(r"products\(first: \$first, after: \$after\)", body["query"]):
            return web.json_response({"errors": [{"message": "only products are known"}]})
        variables = body.get("variables") or {}
        size, after = variables.get("first", 50), variables.get("after")
        cost = 2 + 10 * size
        wait = self._graphql.take(cost)
        status = {
            "maximumAvailable": self._graphql.capacity,
            "currentlyAvailable": int(self._graphql.left),
            "restoreRate": self._graphql.rate,
        }
        extensions = {"cost": {"requestedQueryCost": cost, "throttleStatus": status}}
        if wait:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return web.json_response({"errors": [error], "extensions": extensions})
        start = 0 if after is None else int(base64.b64decode(after))
        end = min(start + size, len(PRODUCTS))
        info = {
            "hasNextPage": end < len(PRODUCTS),
            "endCursor": base64.b64encode(str(end).encode()).decode(),
        }
        data = {"products": {"nodes": PRODUCTS[start:end], "pageInfo": info}}
        return web.json_response({"data": data, "extensions": extensions})


if __name__ == "__main__":
    serve(lambda pace: Shopify(pace).application(), 8803)
