"""The HTTP source against answers that are wrong: class, request count, and what got out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.http.paginator import CursorPaginator, PagePaginator, Paginator
from bronze_engine.config.units import ByteSize
from bronze_engine.errors import AuthError, ExtractError, PageError, RetryError
from tests.integration.http_faults import CREDENTIALS, FAULTS, HEAD, PAGES, QUICK, ROW, cut
from tests.integration.http_server import ONCE, Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", FAULTS)
async def test_fault(fault: str) -> None:
    handler, error, requests, text = FAULTS[fault]
    async with serve(handler) as server, opened(server, paginator=PAGES) as one:
        with pytest.raises(error) as caught:
            await one.read()
        assert type(caught.value) is error
        assert text in str(caught.value)
        assert "page=3" in str(caught.value)
        assert len([seen for seen in server.seen if seen.query.get("page") == "3"]) == requests
        assert one.records == [{"id": 1}, {"id": 2}]
        assert one.tally.requests == len(server.seen) == 2 + requests
        assert one.tally.retries == (requests - 1 if error is RetryError else 0)
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_a_whole_body_without_length_is_read() -> None:
    async with (
        serve(cut(HEAD + b"Connection: close\r\n\r\n[]")) as server,
        opened(server, paginator=PAGES) as one,
    ):
        assert await one.read() == [{"id": 1}, {"id": 2}]
        assert len(server.seen) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_bad_chunk_size_is_never_taken_for_the_end(at_once: bool) -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n")
        if not at_once:
            await SYSTEM_CLOCK.sleep(0.02)
        writer.write(b"zz\r\n\r\n")

    api = {"retry": ONCE, "timeout": QUICK}
    async with serve(handle) as server, opened(server, api=api) as one:
        with pytest.raises((ExtractError, RetryError)):
            await one.read()
        assert one.blocks == []


@pytest.mark.asyncio
async def test_a_passing_fault_is_survived() -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if len(server.seen) == 1:
            return answer({}, status=500)
        if len(server.seen) == 2:
            writer.write(HEAD + b"Content-Length: 99\r\n\r\n[")
            return None
        return answer(ROW)

    async with serve(handle) as server, opened(server) as one:
        assert await one.read() == ROW
        assert (one.tally.requests, one.tally.retries, one.tally.pages) == (3, 2, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("compress", [False, True])
async def test_a_page_above_the_limit(compress: bool) -> None:
    async def handle(*_: object) -> bytes:
        return answer([{"id": number} for number in range(1000)], compress=compress)

    async with (
        serve(handle) as server,
        opened(server, max_page_bytes=ByteSize(5000)) as one,
    ):
        with pytest.raises(ExtractError, match="5,000 bytes"):
            await one.read()
        assert len(server.seen) == 1
        assert one.blocks == []


def cursors(*names: str) -> Handler:
    async def handle(*_: object) -> bytes:
        number = len(server_seen)
        server_seen.append(number)
        return answer({"items": [{"id": number}], "next": names[number % len(names)]})

    server_seen: list[int] = []
    return handle


@pytest.mark.asyncio
@pytest.mark.parametrize(("names", "requests"), [(("A", "A"), 2), (("A", "B", "A"), 3)])
async def test_a_repeated_cursor(names: tuple[str, ...], requests: int) -> None:
    async with (
        serve(cursors(*names)) as server,
        opened(server, records="items", paginator=CursorPaginator(cursor_path="next")) as one,
    ):
        with pytest.raises(PageError, match="'A' again"):
            await one.read()
        assert len(server.seen) == requests
        assert one.records == [{"id": number} for number in range(requests - 1)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [{"Bearer {token}": 1}, {"items": [{}], "next": {"sent": "{token}"}}]
)
async def test_a_credential_that_an_answer_echoes_is_not_in_the_error(body: Any) -> None:
    async def handle(seen: Seen, _: object) -> bytes:
        token = seen.headers["authorization"].partition(" ")[2]
        return answer(body=json.dumps(body).replace("{token}", token).encode())

    async with (
        serve(handle) as server,
        opened(
            server, api=CREDENTIALS, records="items", paginator=CursorPaginator(cursor_path="next")
        ) as one,
    ):
        with pytest.raises(PageError, match=r"\*\*\*") as caught:
            await one.read()
    assert server.seen[0].headers["authorization"].partition(" ")[2] not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "refused with 401: expired; check that [apis.shop.auth] is right"),
        (403, "refused with 403: expired; check that whom [apis.shop.auth] names"),
    ],
)
async def test_a_refused_credential_says_what_to_check(status: int, text: str) -> None:
    async def handle(*_: object) -> bytes:
        return answer({"error": {"message": "expired"}}, status=status, compress=True)

    async with serve(handle) as server, opened(server, api=CREDENTIALS) as one:
        with pytest.raises(AuthError) as caught:
            await one.read()
        assert text in str(caught.value)
        assert len(server.seen) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("paginator", "status", "text"),
    [
        (PagePaginator(), 422, "if this API answers so behind its last page, name what says"),
        (PagePaginator(), 400, "if it gives no more of one search, ask for less at once"),
        (CursorPaginator(cursor_path="next"), 400, "if it gives no more of one search, ask"),
        (CursorPaginator(cursor_path="next"), 410, "named has expired, perhaps: run again"),
    ],
)
async def test_a_refusal_of_a_later_page_says_what_it_may_mean(
    paginator: Paginator, status: int, text: str
) -> None:
    """GitHub gives 1,000 records of a search, HubSpot 10,000."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.query.get("page", "1") == "1" and "cursor" not in seen.query:
            return answer({"items": [{"id": 1}], "next": "c"})
        return answer({"message": "only the first 1000"}, status=status)

    async with (
        serve(handle) as server,
        opened(server, records="items", paginator=paginator) as one,
    ):
        with pytest.raises(ExtractError, match=f"{status}.*only the first 1000.*{text}"):
            await one.read()


@pytest.mark.asyncio
async def test_an_excerpt_is_short_and_on_one_line() -> None:
    async def handle(*_: object) -> bytes:
        return answer(body=b"first\r\n\x00second " + b"x" * 300_000, status=400)

    async with serve(handle) as server, opened(server) as one:
        with pytest.raises(ExtractError, match="400: first second xxx") as caught:
            await one.read()
        assert len(str(caught.value)) < 400
        assert one.tally.bytes_in < 300_000


@pytest.mark.asyncio
async def test_check_makes_one_request_whatever_happens() -> None:
    async def handle(*_: object) -> bytes:
        return answer({"message": "out of order"}, status=503)

    async with serve(handle) as server, opened(server) as one:
        with pytest.raises(ExtractError, match="503: out of order"):
            await one.source.check()
        assert len(server.seen) == 1
