"""An API like Salesforce's: tokens by client credentials, queries, and bulk queries.

A token serves for 25 requests, then it is INVALID_SESSION_ID (401) and another must be asked
for. A query answers 200 records and `nextRecordsUrl`, which is relative, until `done`. A bulk
query is a job: created, polled until JobComplete, and read as CSV, page by page, each of which
names the next in the header Sforce-Locator; "null" is the end.
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from __future__ import annotations

import base64
import csv
import io
import itertools
from typing import Any, Final

import msgspec
from aiohttp import web

from examples.serving import number, serve

__all__ = ["ACCOUNTS", "CLIENT_ID", "CLIENT_SECRET", "CONTACTS"]

CLIENT_ID: Final = "3MVG9example"
CLIENT_SECRET: Final = "client-secret-example"  # noqa: S105  # of an API that holds nothing
_DATA: Final = "/services/data/v60.0"
_BATCH: Final = 200
_REQUESTS_A_TOKEN: Final = 25

ACCOUNTS: Final[list[dict[str, Any]]] = [
    {
        "attributes": {"type": "Account", "url": f"{_DATA}/sobjects/Account/001{account:06}"},
        "Id": f"001{account:06}",
        "Name": f"Account {account}",
        "AnnualRevenue": None if account % 4 == 0 else 1000.5 * account,
        "SystemModstamp": f"2025-01-{1 + account % 28:02}T08:00:00.000+0000",
    }
    for account in range(1, 1051)
]
CONTACTS: Final[list[dict[str, str | None]]] = [
    {
        "Id": f"003{contact:06}",
        "LastName": f'Name "{contact}", Jr.' if contact % 5 == 0 else f"Name {contact}",
        "MailingPostalCode": f"{contact % 99999:05}",
        "Description": f"two\nlines of {contact}" if contact % 11 == 0 else None,
        "SystemModstamp": f"2025-01-{1 + contact % 28:02}T08:00:00.000Z",
    }
    for contact in range(1, 731)
]


class Salesforce:
    """One organisation."""

    def __init__(self, _: float) -> None:
        self._tokens: dict[str, int] = {}
        self._jobs: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/services/oauth2/token", self._token)
        app.router.add_get(f"{_DATA}/query", self._query)
        app.router.add_get(rf"{_DATA}/query/{{locator:01g\d+-\d+}}", self._query)
        app.router.add_post(f"{_DATA}/jobs/query", self._create)
        app.router.add_get(rf"{_DATA}/jobs/query/{{job}}", self._job)
        app.router.add_get(rf"{_DATA}/jobs/query/{{job}}/results", self._results)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path != "/services/oauth2/token":
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if self._tokens.get(token, 0) <= 0:
                return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
            self._tokens[token] -= 1
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if form.get("grant_type") != "client_credentials" or not known:
            return web.json_response({"error": "invalid_client"}, status=400)
        token = f"00D-{next(self._numbers)}"
        self._tokens[token] = _REQUESTS_A_TOKEN
        return web.json_response({"access_token": token, "token_type": "Bearer"})

    async def _query(self, request: web.Request) -> web.Response:
        locator = request.match_info.get("locator")
        if locator is None and " FROM Account" not in request.query.get("q", ""):
            return _error(400, "MALFORMED_QUERY", "only accounts can be queried here")
        start = 0 if locator is None else int(locator.rpartition("-")[2])
        end = start + _BATCH
        body: dict[str, Any] = {"totalSize": len(ACCOUNTS), "done": end >= len(ACCOUNTS)}
        if not body["done"]:
            body["nextRecordsUrl"] = f"{_DATA}/query/01g0001-{end}"
        return web.json_response({**body, "records": ACCOUNTS[start:end]})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read())
        if wanted.get("operation") != "query" or " FROM Contact" not in wanted.get("query", ""):
            return _error(400, "MALFORMED_QUERY", "only contacts can be exported here")
        job = f"750{next(self._numbers):06}"
        self._jobs[job] = 2
        return web.json_response({"id": job, "operation": "query", "state": "UploadComplete"})

    async def _job(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        if job not in self._jobs:
            return _error(404, "NOT_FOUND", "no such job")
        self._jobs[job] -= 1
        state = "InProgress" if self._jobs[job] > 0 else "JobComplete"
        return web.json_response({"id": job, "state": state})

    async def _results(self, request: web.Request) -> web.Response:
        if self._jobs.get(request.match_info["job"], 1) > 0:
            return _error(404, "NOT_FOUND", "no such job, or it is not complete")
        size = number(request, "maxRecords", 1000, 100_000)
        locator = request.query.get("locator")
        start = 0 if locator is None else int(base64.b64decode(locator))
        end = start + size
        text = io.StringIO()
        writer = csv.DictWriter(text, list(CONTACTS[0]))
        writer.writeheader()
        writer.writerows(CONTACTS[start:end])
        following = base64.b64encode(str(end).encode()).decode() if end < len(CONTACTS) else "null"
        headers = {"Sforce-Locator": following, "Sforce-NumberOfRecords": str(size)}
        return web.Response(text=text.getvalue(), content_type="text/csv", headers=headers)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response([{"errorCode": code, "message": message}], status=status)


if __name__ == "__main__":
    serve(lambda pace: Salesforce(pace).application(), 8804)
