"""Exports over a real server: a job, its polls, its files, and what may go wrong with each."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.http.export import CreateJob, Export, PollJob
from bronze_engine.config.http.paginator import HeaderCursorPaginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import AuthError, ExtractError, PageError, RetryError
from tests.integration.http_server import ONCE, Seen, answer, opened, serve

pytestmark = pytest.mark.integration

ROWS = [{"id": number, "text": f"r{number}"} for number in range(9)]


class Reports:
    """POST /jobs, GET /jobs/ID until it is done, GET /files/N."""

    def __init__(self, *, states: list[Any] | None = None, files: Any = 3) -> None:
        self.states = states or ["queued", "running", "done"]
        self.files = files
        self.made = 0
        self.polls = 0
        self.elsewhere: str | None = None
        self.faulty: dict[str, int] = {}
        self.wrap: Any = lambda body: body

    def final(self, state: Any) -> Any:
        if isinstance(state, dict):
            return state
        found: dict[str, Any] = {"id": f"j{self.made}", "job": {"state": state}}
        if state == "done":
            base = self.elsewhere or ""
            urls = [f"{base}/files/{number}?sig=secret-of-{number}" for number in range(3)]
            found["result"] = {"files": [{"url": url} for url in urls], "first": urls[0]}
            found["result"] |= {"none": [], "null": None, "number": 5}
        return found

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        left = self.faulty.get(seen.path, 0)
        if left:
            self.faulty[seen.path] = left - 1
            return answer({"message": "out of order"}, status=500)
        if seen.path == "/jobs":
            self.made += 1
            return answer({"id": f"j{self.made}", "asked": json.loads(seen.body or b"null")},
                          status=202)  # fmt: skip
        if seen.path == f"/jobs/j{self.made}":
            state = self.states[min(self.polls, len(self.states) - 1)]
            self.polls += 1
            return answer(self.final(state))
        if seen.path == f"/jobs/j{self.made}/rows":
            start = int(seen.query.get("locator", 0))
            more = {"Sforce-Locator": str(start + 4)} if start + 4 < len(ROWS) else {}
            return answer(ROWS[start : start + 4], headers=more)
        if seen.path.startswith("/files/"):
            number = int(seen.path.rpartition("/")[2])
            rows = ROWS[3 * number : 3 * number + 3]
            headers = {"Content-Type": "application/octet-stream"}
            return answer(body=self.wrap(json.dumps(rows).encode()), headers=headers)
        return answer({}, status=404)


def export(files: str | None = "result.files.url", **poll: Any) -> Export:
    settings: dict[str, Any] = {
        "path": "/jobs/{job.id}",
        "status_path": "job.state",
        "done": ["done"],
        "failed": ["failed"],
    }
    return Export(
        create=CreateJob(path="/jobs", json={"from": "{low}", "day": "{run_date:%Y%m%d}"}),
        poll=PollJob(**{**settings, **poll}),
        files=files,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrap", [lambda body: body, gzip.compress], ids=["plain", "gzip by content"]
)
async def test_the_files_of_a_job_are_read_in_their_order(wrap: Any) -> None:
    api = Reports()
    api.wrap = wrap
    async with serve(api) as server, opened(server, path="", export=export()) as one:
        assert await one.read() == ROWS
        assert [(seen.method, seen.path) for seen in server.seen[:4]] == [
            ("POST", "/jobs"),
            *[("GET", "/jobs/j1")] * 3,
        ]
        assert len(server.seen) == 7
        assert json.loads(server.seen[0].body) == {"day": "20250115"}
        # 5 s, then 1.5 times as long each time.
        assert one.clock.monotonic() == pytest.approx(5 + 7.5 + 11.25)


@pytest.mark.asyncio
async def test_a_poll_may_name_its_job_in_its_parameters_or_its_body() -> None:
    api = Reports()

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        if seen.path == "/poll":
            assert (seen.method, seen.query) == ("POST", {"token": "j1"})
            assert json.loads(seen.body) == {"query": "{ job(id: j1) }", "ids": ["j1"]}
            seen.path = "/jobs/j1"
        return await api(seen, writer)

    asked = export(
        path="/poll",
        method="POST",
        params={"token": "{job.id}"},
        json={"query": "{{ job(id: {job.id}) }}", "ids": ["{job.id}"]},
    )
    async with serve(handle) as server, opened(server, path="", export=asked) as one:
        assert await one.read() == ROWS
        assert api.polls == 3


def as_csv(body: bytes) -> bytes:
    lines = [f"{row['id']},{row['text']}\n" for row in json.loads(body)]
    return gzip.compress("".join(["id,text\n", *lines]).encode())


def as_ndjson(body: bytes) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in json.loads(body))


@pytest.mark.asyncio
@pytest.mark.parametrize(("form", "wrap"), [("csv", as_csv), ("ndjson", as_ndjson)])
async def test_files_may_be_of_any_format(form: Any, wrap: Any) -> None:
    api = Reports()
    api.wrap = wrap
    async with serve(api) as server, opened(server, path="", export=export(), format=form) as one:
        rows = await one.read()
        assert [(str(row["id"]), row["text"]) for row in rows] == [
            (str(row["id"]), row["text"]) for row in ROWS
        ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("files", "wanted"),
    [("result.first", ROWS[:3]), ("result.none", []), ("result.null", [])],
)
async def test_one_url_or_none_will_do(files: str, wanted: list[Any]) -> None:
    async with serve(Reports()) as server, opened(server, path="", export=export(files)) as one:
        assert await one.read() == wanted


@pytest.mark.asyncio
async def test_the_job_may_be_read_page_by_page_from_a_path_of_its_own() -> None:
    paginator = HeaderCursorPaginator(cursor_header="Sforce-Locator", cursor_param="locator")
    async with (
        serve(Reports()) as server,
        opened(server, path="/jobs/{job.id}/rows", export=export(None), paginator=paginator) as one,
    ):
        assert await one.read() == ROWS
        assert [seen.query for seen in server.seen[-2:]] == [{"locator": "4"}, {"locator": "8"}]


@pytest.mark.asyncio
async def test_the_window_goes_with_the_request_that_makes_the_job() -> None:
    incremental = Incremental(cursor="at", start_param="since", end_param="until")
    async with (
        serve(Reports()) as server,
        opened(
            server,
            path="",
            export=export(),
            incremental=incremental,
            low="2025-01-01T00:00:00Z",
            cap="2025-01-02T00:00:00Z",
        ) as one,
    ):
        await one.read()
        assert server.seen[0].query == {
            "since": "2025-01-01T00:00:00Z",
            "until": "2025-01-02T00:00:01Z",
        }
        assert json.loads(server.seen[0].body)["from"] == "2025-01-01T00:00:00Z"
        assert all("since" not in seen.query for seen in server.seen[1:])


@pytest.mark.asyncio
async def test_the_window_ends_where_the_job_was_made() -> None:
    inner = Reports()
    stamps = iter(f"Wed, 15 Jan 2025 10:0{minute}:00 GMT" for minute in range(9))

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        found = await inner(seen, writer)
        return found.replace(b"\r\n", f"\r\nDate: {next(stamps)}\r\n".encode(), 1)

    async with (
        serve(handle) as server,
        opened(server, path="", export=export(), incremental=Incremental(cursor="at")) as one,
    ):
        await one.read()
        assert {str(block.as_of) for block in one.blocks} == {"2025-01-15 10:00:00+00:00"}


@pytest.mark.asyncio
async def test_a_job_that_failed_is_told_with_what_the_server_says() -> None:
    failed = {"job": {"state": "failed"}, "error": {"message": "no such column: amuont"}}
    async with (
        serve(Reports(states=["running", failed])) as server,
        opened(server, path="", export=export()) as one,
    ):
        with pytest.raises(ExtractError, match=r"state is 'failed', and .*no such column: amuont"):
            await one.read()


@pytest.mark.asyncio
async def test_a_job_that_takes_too_long_says_how_long() -> None:
    async with (
        serve(Reports(states=["running"])) as server,
        opened(server, path="", export=export(timeout=Duration(60), backoff=1)) as one,
    ):
        with pytest.raises(ExtractError, match="not done after 60 s, it is still 'running'"):
            await one.read()
        assert len(server.seen) == 13  # the create, and a poll every 5 s


@pytest.mark.asyncio
async def test_waits_grow_up_to_the_largest() -> None:
    async with (
        serve(Reports(states=["running"])) as server,
        opened(
            server,
            path="",
            export=export(
                interval=Duration(1),
                backoff=10,
                max_interval=Duration(20),
                timeout=Duration(100),
            ),
        ) as one,
    ):
        with pytest.raises(ExtractError, match="not done after 91 s"):
            await one.read()
        assert len(server.seen) == 1 + 2 + 4  # after 1, 11, 31, 51, 71 and 91 s


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"status_path": "state"}, r'no "state" in its answer.*the keys "id", "job"'),
        ({"path": "/jobs/{job.key}"}, r'no "key" in its answer.*the keys "id", "asked"'),
    ],
)
async def test_a_path_that_leads_nowhere_names_the_keys(
    settings: dict[str, Any], message: str
) -> None:
    async with (
        serve(Reports()) as server,
        opened(server, path="", export=export(**settings)) as one,
    ):
        with pytest.raises(PageError, match=message):
            await one.read()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("result.urls", r'no "result.urls" in its answer'),
        ("result.number", r'"result.number" leads to a number, not to a URL'),
    ],
)
async def test_files_that_are_not_there_name_the_path(files: str, message: str) -> None:
    async with serve(Reports()) as server, opened(server, path="", export=export(files)) as one:
        with pytest.raises(PageError, match=message):
            await one.read()


@pytest.mark.asyncio
async def test_files_of_another_origin_need_leave_and_get_no_credentials() -> None:
    api, files = Reports(), Reports()
    auth = {"auth": BearerAuth(token=Secret("t0ken"))}
    async with serve(files) as other, serve(api) as server:
        api.elsewhere = other.url
        async with opened(server, path="", export=export(), api=auth) as one:
            with pytest.raises(PageError, match=r"file 1 of 3 .*another origin, http://127"):
                await one.read()
            assert other.seen == []
        allowed = {**auth, "allowed_origins": (other.url,)}
        async with opened(server, path="", export=export(), api=allowed) as one:
            assert await one.read() == ROWS
        assert all("authorization" in seen.headers for seen in server.seen)
        assert len(other.seen) == 3
        assert not any("authorization" in seen.headers for seen in other.seen)


@pytest.mark.asyncio
async def test_a_download_that_fails_makes_no_second_job() -> None:
    api = Reports()
    api.faulty = {"/files/1": 2, "/jobs/j1": 1}
    async with serve(api) as server, opened(server, path="", export=export()) as one:
        assert await one.read() == ROWS
        assert api.made == 1


@pytest.mark.asyncio
async def test_a_file_that_can_not_be_had_is_named_without_its_secrets() -> None:
    api = Reports()
    api.faulty = {"/files/1": 99}
    async with (
        serve(api) as server,
        opened(server, path="", export=export(), api={"retry": ONCE}) as one,
    ):
        with pytest.raises(
            RetryError, match=r"file 2 of 3 of the export: GET .*/files/1"
        ) as caught:
            await one.read()
        assert "secret-of" not in str(caught.value)
        assert one.records == ROWS[:3]


@pytest.mark.asyncio
async def test_a_refused_job_is_an_auth_error() -> None:
    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer({"message": "not for you"}, status=403)

    async with serve(handle) as server, opened(server, path="", export=export()) as one:
        with pytest.raises(AuthError, match="not for you"):
            await one.read()


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"[1]", b"<html>"])
async def test_an_answer_that_is_no_job_is_told(body: bytes) -> None:
    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=body)

    async with serve(handle) as server, opened(server, path="", export=export()) as one:
        with pytest.raises(ExtractError, match="was answered with no JSON object"):
            await one.read()


@pytest.mark.asyncio
async def test_preview_and_check_make_no_job() -> None:
    async with serve(Reports()) as server, opened(server, path="", export=export()) as one:
        preview = one.source.preview()
        assert preview.first == f"POST {server.url}/jobs"
        assert preview.slices == ("the files of the export",)
        assert "nothing to ask it for yet" in await one.source.check()
        assert server.seen == []
