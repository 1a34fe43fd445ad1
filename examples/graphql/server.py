"""A GraphQL API as GitHub's or GitLab's: a connection below another object.

`query { shop { orders(first, after) { totalCount edges { cursor node { … } } pageInfo } } }`,
100 nodes at most; a query that asks for more gets status 200 and `errors`. More than 20
requests a second are refused with 429 and Retry-After.
https://relay.dev/graphql/connections.htm
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec
from aiohttp import web

from examples.serving import Bucket, serve

__all__ = ["ORDERS", "TOKEN"]

TOKEN: Final = "graphql-example"  # noqa: S105  # of an API that holds nothing
_MOST: Final = 100

ORDERS: Final[list[dict[str, Any]]] = [
    {
        "id": f"T3JkZXI6{order:05}",
        "number": order,
        "total": {"amount": f"{order}.90", "currency": "EUR"},
        "customer": None if order % 6 == 0 else {"id": f"Q3Vz{order % 13}", "name": "Someone"},
        "updatedAt": f"2025-01-{1 + order % 28:02}T08:00:00Z",
    }
    for order in range(1, 334)
]


class Shop:
    """One connection."""

    def __init__(self, pace: float) -> None:
        self._bucket = Bucket(20 * pace, 20 * pace)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/graphql", self._query)
        return app

    async def _query(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"errors": [{"message": "not signed in"}]}, status=401)
        if wait := self._bucket.take():
            headers = {"Retry-After": str(int(wait) + 1)}
            return web.json_response({"message": "slow down"}, status=429, headers=headers)
        body = msgspec.json.decode(await request.read())
        variables = body.get("variables") or {}
        size, after = variables.get("first", 50), variables.get("after")
        if "orders(first: $first, after: $after)" not in body["query"] or size > _MOST:
            message = f"orders takes first, of {_MOST} at most, and after"
            return web.json_response({"data": None, "errors": [{"message": message}]})
        start = 0 if after is None else 1 + int(base64.b64decode(after))
        places = range(start, min(start + size, len(ORDERS)))
        edges = [{"cursor": _cursor(place), "node": ORDERS[place]} for place in places]
        info = {
            "hasNextPage": places.stop < len(ORDERS),
            "endCursor": edges[-1]["cursor"] if edges else None,
        }
        orders = {"totalCount": len(ORDERS), "edges": edges, "pageInfo": info}
        return web.json_response({"data": {"shop": {"orders": orders}}})


def _cursor(place: int) -> str:
    return base64.b64encode(str(place).encode()).decode()


if __name__ == "__main__":
    serve(lambda pace: Shop(pace).application(), 8805)
