"""An API like GitHub's REST API, with three resources of one repository.

Issues and comments are paged by `per_page` and `page`, with a Link header that names the next
page; search answers `{"total_count", "incomplete_results", "items"}` and no more than 1,000
results. Every answer has X-RateLimit-Limit, -Remaining, -Reset and -Resource; a burst of more
than 30 requests meets the secondary limit: 429 with Retry-After.
https://docs.github.com/en/rest/using-the-rest-api
"""

from __future__ import annotations

import time
from typing import Any, Final

from aiohttp import web

from examples.serving import Bucket, number, serve

__all__ = ["COMMENTS", "ISSUES", "TOKEN"]

TOKEN: Final = "ghp_example"  # noqa: S105  # of an API that holds nothing
_SECONDS_A_WINDOW: Final = 3600
_RESULTS: Final = 1000

ISSUES: Final[list[dict[str, Any]]] = [
    {
        "id": 9_000_000_000 + issue,
        "number": issue,
        "title": f"Issue {issue}",
        "state": "open" if issue % 3 else "closed",
        "user": {"login": f"user{issue % 7}", "id": issue % 7},
        "labels": [{"name": "bug"}] if issue % 2 else [],
        "comments": issue % 3,
        "created_at": f"2025-01-{1 + issue % 14:02}T10:00:00Z",
        "updated_at": f"2025-01-{1 + issue % 14:02}T{issue % 24:02}:30:00Z",
        "body": None if issue % 5 == 0 else f"Text of {issue}",
    }
    for issue in range(1, 251)
]
COMMENTS: Final[list[dict[str, Any]]] = [
    {
        "id": 100 * issue["number"] + comment,
        "body": f"Comment {comment} of {issue['number']}",
        "created_at": issue["updated_at"],
    }
    for issue in ISSUES
    for comment in range(issue["comments"])
]


class GitHub:
    """One repository, `octo/shop`."""

    def __init__(self, pace: float) -> None:
        self._secondary = Bucket(30 * pace, 20 * pace)
        self._windows = {"core": [5000, 0.0], "search": [30, 0.0]}
        self._left = {"core": 5000, "search": 30}

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/repos/octo/shop/issues", self._issues)
        app.router.add_get(r"/repos/octo/shop/issues/{issue:\d+}/comments", self._comments)
        app.router.add_get("/search/issues", self._search)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        resource = "search" if request.path.startswith("/search") else "core"
        limits = self._limits(resource)
        if wait := self._secondary.take():
            message = "You have exceeded a secondary rate limit"
            headers = {**limits, "Retry-After": str(int(wait) + 1)}
            return web.json_response({"message": message}, status=429, headers=headers)
        if self._left[resource] <= 0:
            message = "API rate limit exceeded"
            return web.json_response({"message": message}, status=429, headers=limits)
        self._left[resource] -= 1
        response: web.StreamResponse = await handler(request)
        response.headers.update(self._limits(resource))
        return response

    def _limits(self, resource: str) -> dict[str, str]:
        size, reset = self._windows[resource]
        now = time.time()
        if now >= reset:
            seconds = _SECONDS_A_WINDOW if resource == "core" else 60
            self._windows[resource][1] = reset = now + seconds
            self._left[resource] = int(size)
        return {
            "X-RateLimit-Limit": str(int(size)),
            "X-RateLimit-Remaining": str(self._left[resource]),
            "X-RateLimit-Reset": str(int(reset) + 1),
            "X-RateLimit-Resource": resource,
        }

    async def _issues(self, request: web.Request) -> web.Response:
        rows = ISSUES
        if request.query.get("state", "open") != "all":
            rows = [row for row in rows if row["state"] == request.query.get("state", "open")]
        if since := request.query.get("since"):
            rows = [row for row in rows if row["updated_at"] >= since]
        return _page(request, rows)

    async def _comments(self, request: web.Request) -> web.Response:
        issue = int(request.match_info["issue"])
        return _page(request, [row for row in COMMENTS if row["id"] // 100 == issue])

    async def _search(self, request: web.Request) -> web.Response:
        page, size = number(request, "page", 1, 10_000), number(request, "per_page", 30, 100)
        if page * size > _RESULTS:
            message = "Only the first 1000 search results are available"
            return web.json_response({"message": message}, status=422)
        found = [row for row in ISSUES if row["state"] in request.query.get("q", "")]
        response = _page(request, found)
        body = {"total_count": len(found), "incomplete_results": False}
        rows = found[(page - 1) * size : page * size]
        return web.json_response({**body, "items": rows}, headers=_link(response))


def _link(response: web.Response) -> dict[str, str]:
    return {"Link": response.headers["Link"]} if "Link" in response.headers else {}


def _page(request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
    page, size = number(request, "page", 1, 10_000), number(request, "per_page", 30, 100)
    last = max(1, -(-len(rows) // size))
    links = []
    if page < last:
        links.append(f'<{request.url.update_query(page=page + 1)}>; rel="next"')
        links.append(f'<{request.url.update_query(page=last)}>; rel="last"')
    if page > 1:
        links.append(f'<{request.url.update_query(page=1)}>; rel="first"')
    headers = {"Link": ", ".join(links)} if links else {}
    return web.json_response(rows[(page - 1) * size : page * size], headers=headers)


if __name__ == "__main__":
    serve(lambda pace: GitHub(pace).application(), 8801)
