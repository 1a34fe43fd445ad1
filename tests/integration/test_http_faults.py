"""The HTTP source against servers that misbehave: class, request count, and what got out."""

from __future__ import annotations

import asyncio
import email.utils
import gc
import gzip
import json
import logging
import socket
import traceback
import zlib
from datetime import timedelta
from typing import Any

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Timeout
from bronze_engine.config.auths.auth import ApiKeyAuth, BearerAuth
from bronze_engine.config.http.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    PagePaginator,
)
from bronze_engine.config.units import ByteSize, Duration, Secret
from bronze_engine.errors import (
    AuthError,
    BronzeError,
    ExtractError,
    PageError,
    RetryError,
)
from bronze_engine.testing.clock import ManualClock
from tests.integration.http_server import ONCE, Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration

QUICK = Timeout(connect=Duration(0.05), read=Duration(0.05), total=Duration(0.5))
ROW = [{"id": 1}]
PAGES = PagePaginator()
DEEP = b"[" * 100_000 + b"]" * 100_000
CUT_GZIP = gzip.compress(json.dumps(ROW * 100).encode())[:-12]


def after_two_pages(fault: bytes | None) -> Handler:
    """Two good pages, then always the fault; None closes the connection unanswered."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes | None:
        page = int(seen.query.get("page", 1))
        return answer([{"id": page}]) if page < 3 else fault

    return handle


def framed(body: bytes, **headers: str) -> bytes:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(body=body, headers=fields)


def cut(data: bytes) -> Handler:
    """As `after_two_pages`, closing the connection after the fault's bytes."""

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        page = int(seen.query.get("page", 1))
        if page < 3:
            return answer([{"id": page}])
        writer.write(data)
        await writer.drain()
        return None

    return handle


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

FAULTS: dict[str, tuple[Handler, type[BronzeError], int, str]] = {
    "closed unanswered": (after_two_pages(None), RetryError, 5, "without an answer"),
    "body cut, with length": (
        cut(HEAD + b'Content-Length: 99\r\n\r\n[{"id": 3}'),
        RetryError,
        5,
        "the body was cut off",
    ),
    "body cut, without length": (
        cut(HEAD + b'Connection: close\r\n\r\n[{"id": 3}, {"i'),
        RetryError,
        5,
        "the connection ended",
    ),
    "length too large": (
        cut(HEAD + b"Content-Length: 11\r\n\r\n[]"),
        RetryError,
        5,
        "the body was cut off",
    ),
    "length too small": (
        cut(HEAD + b'Content-Length: 5\r\n\r\n[{"id": 3}]'),
        ExtractError,
        1,
        "",
    ),
    "chunks cut": (
        cut(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n[{"id\r\n5\r\n'),
        RetryError,
        5,
        "the body was cut off",
    ),
    "gzip cut": (
        after_two_pages(framed(CUT_GZIP, Content_Encoding="gzip")),
        RetryError,
        5,
        "gzip stream was cut off",
    ),
    "gzip with garbage behind it": (
        after_two_pages(framed(gzip.compress(b"[]") + b"x" * 20, Content_Encoding="gzip")),
        ExtractError,
        1,
        "no valid gzip",
    ),
    "said to be gzip": (
        after_two_pages(framed(b"[]", Content_Encoding="gzip")),
        ExtractError,
        1,
        'set Accept-Encoding = "identity"',
    ),
    "gzip bomb": (
        after_two_pages(framed(gzip.compress(bytes(80 * 1024**2)), Content_Encoding="gzip")),
        ExtractError,
        1,
        "as only a bomb does",
    ),
    "zstd cut": (
        after_two_pages(framed(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd")),
        RetryError,
        5,
        "zstd stream was cut off",
    ),
    "br unasked": (
        after_two_pages(framed(b"\x0b\x00[]\x03", Content_Encoding="br")),
        ExtractError,
        1,
        "compressed with 'br'",
    ),
    "deflate unasked": (
        after_two_pages(framed(zlib.compress(b"[]"), Content_Encoding="deflate")),
        ExtractError,
        1,
        "compressed with 'deflate'",
    ),
    "invalid JSON": (after_two_pages(framed(b'[{"id": 3,}]')), ExtractError, 1, "no valid JSON"),
    "no number": (after_two_pages(framed(b'[{"id": NaNs}]')), ExtractError, 1, "no valid JSON"),
    "HTML": (after_two_pages(framed(b"\n<!doctype html>")), ExtractError, 1, "HTML"),
    "empty body": (after_two_pages(framed(b"")), ExtractError, 1, "empty"),
    "deep JSON": (after_two_pages(framed(DEEP)), ExtractError, 1, "nested too deeply"),
    "an object": (after_two_pages(answer({"items": []})), PageError, 1, '"items"'),
    "a null": (after_two_pages(answer(None)), PageError, 1, "null"),
    "400": (after_two_pages(answer({"message": "no"}, status=400)), ExtractError, 1, "400: no"),
    "404": (after_two_pages(answer({}, status=404)), ExtractError, 1, "not found"),
    "409": (after_two_pages(answer({}, status=409)), ExtractError, 1, "409"),
    "422": (
        after_two_pages(answer({"errors": [{"detail": "bad since"}]}, status=422)),
        ExtractError,
        1,
        "422: bad since",
    ),
    "401": (after_two_pages(answer({}, status=401)), AuthError, 1, "no auth is configured"),
    "403": (after_two_pages(answer({}, status=403)), AuthError, 1, "403"),
    "304": (after_two_pages(answer(body=b"", status=304)), ExtractError, 1, "304"),
    "500": (after_two_pages(answer({}, status=500)), RetryError, 5, "500"),
    "503": (after_two_pages(answer({}, status=503)), RetryError, 5, "503"),
    "408": (after_two_pages(answer({}, status=408)), RetryError, 5, "408"),
    "header too large": (
        after_two_pages(answer([], headers={"X-Large": "x" * 70_000})),
        ExtractError,
        1,
        "header",
    ),
    "no HTTP": (cut(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ExtractError, 1, "no HTTP"),
    "bad header": (
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n[]"),
        ExtractError,
        1,
        "no HTTP",
    ),
    "identical page": (
        after_two_pages(answer([{"id": 2}])),
        PageError,
        1,
        "identical to the page before",
    ),
    "redirect loop": (
        after_two_pages(answer(body=b"", status=302, headers={"Location": "/x?page=3"})),
        ExtractError,
        6,
        "redirects more than 5 times",
    ),
    "redirect nowhere": (
        after_two_pages(answer(body=b"", status=302, headers={"Location": "ftp://x/"})),
        ExtractError,
        1,
        "redirects to what is no URL",
    ),
}


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
async def test_connection_refused_is_tried_five_times() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as one:
        with pytest.raises(RetryError, match="no connection"):
            await one.read()
        assert one.tally.requests == 5
        assert one.blocks == []


@pytest.mark.asyncio
async def test_a_name_that_does_not_exist_is_tried_five_times() -> None:
    async with opened("http://api.example.invalid") as one:
        with pytest.raises(RetryError, match=r"the name api\.example\.invalid can't be resolved"):
            await one.read()
        assert one.tally.requests == 5


async def silence(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_silence_while_connecting() -> None:
    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # a TLS server that never says hello
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()

    listening = await asyncio.start_server(dead, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with opened(f"https://127.0.0.1:{port}", api={"timeout": QUICK, "retry": ONCE}) as one:
        with pytest.raises(RetryError, match="no connection within the connect timeout"):
            await one.read()
        assert one.tally.requests == 1
    listening.close()
    await ended.wait()


@pytest.mark.asyncio
async def test_silence_instead_of_an_answer() -> None:
    async with (
        serve(silence) as server,
        opened(server, api={"timeout": QUICK}) as one,
    ):
        with pytest.raises(RetryError, match="silence for longer than the read timeout"):
            await one.read()
        assert len(server.seen) == 5


@pytest.mark.asyncio
async def test_silence_amid_the_body() -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 99\r\n\r\n[")
        await silence()

    async with (
        serve(handle) as server,
        opened(server, api={"timeout": QUICK, "retry": ONCE}) as one,
    ):
        with pytest.raises(RetryError, match="silence for longer than the read timeout"):
            await one.read()
        assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_trickle_is_ended_by_the_total_timeout() -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 9999\r\n\r\n")
        while True:
            writer.write(b"[")
            await SYSTEM_CLOCK.sleep(0.01)

    timeout = Timeout(read=Duration(5), total=Duration(0.1))
    async with (
        serve(handle) as server,
        opened(server, api={"timeout": timeout, "retry": ONCE}, clock=SYSTEM_CLOCK) as one,
    ):
        with pytest.raises(RetryError, match=r"no whole answer within 0\.1 s"):
            await one.read()
        assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_dropped_kept_alive_connection_is_not_silently_asked_again() -> None:
    async def handle(*_: object) -> bytes | None:
        return answer(ROW) if len(server.seen) == 1 else None

    async with (
        serve(handle) as server,
        opened(server, paginator=PAGES, api={"retry": ONCE}) as one,
    ):
        with pytest.raises(RetryError, match="without an answer"):
            await one.read()
        assert len(server.seen) == 2
        assert server.connections == 1


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


@pytest.mark.asyncio
async def test_a_storm_of_503_sees_exactly_five_requests_at_exact_instants() -> None:
    clock = ManualClock()
    instants: list[float] = []

    async def handle(*_: object) -> bytes:
        instants.append(clock.monotonic())
        return answer({}, status=503)

    async with serve(handle) as server, opened(server, clock=clock) as one:
        with pytest.raises(RetryError, match="failed 5 times"):
            await one.read()
    assert instants == [0.0, 0.5, 1.5, 3.5, 7.5]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("kind", "waited"), [("seconds", 7.0), ("date", 30.0), ("garbage", None)])
async def test_retry_after(status: int, kind: str, waited: float | None) -> None:
    clock = ManualClock()
    until = email.utils.format_datetime(clock.now() + timedelta(seconds=30), usegmt=True)
    text = {"seconds": "7", "date": until, "garbage": "soon"}[kind]
    instants: list[float] = []

    async def handle(*_: object) -> bytes:
        instants.append(clock.monotonic())
        if len(instants) <= 7 if waited is not None else len(instants) == 1:
            return answer({}, status=status, headers={"Retry-After": text})
        return answer(ROW)

    async with serve(handle) as server, opened(server, clock=clock) as one:
        assert await one.read() == ROW
        assert one.tally.retries == len(server.seen) - 1
    # Seven pauses are more than there are attempts: a pause uses none.
    if kind == "seconds":
        assert instants == [7.0 * number for number in range(8)]
    elif kind == "date":
        assert instants[1] == waited
    else:
        assert len(instants) == 2
        assert instants[1] >= 0.5


@pytest.mark.asyncio
async def test_an_hour_is_too_long() -> None:
    async def handle(*_: object) -> bytes:
        return answer({}, status=429, headers={"Retry-After": "3600"})

    async with serve(handle) as server, opened(server) as one:
        with pytest.raises(RetryError, match="3600 s"):
            await one.read()
        assert len(server.seen) == 1


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


def linking(link: str) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        first = "foreign" not in seen.target
        value = {"items": [{"id": int(first)}], "next": link if first else None}
        return answer(value, headers={"Link": f'<{link}>; rel="next"'} if first else {})

    return handle


CREDENTIALS: dict[str, Any] = {
    "auth": BearerAuth(token=Secret("canary-token")),
    "headers": {"X-Tenant": Secret("canary-header")},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_next_link_to_another_origin(by_header: bool, allowed: bool) -> None:
    paginator = LinkHeaderPaginator() if by_header else NextUrlPaginator(next_path="next")
    async with serve(linking("unused")) as other:
        link = f"{other.url}/foreign"
        api = {**CREDENTIALS, "allowed_origins": (other.url,) if allowed else ()}
        async with (
            serve(linking(link)) as server,
            opened(server, api=api, records="items", paginator=paginator) as one,
        ):
            if allowed:
                assert await one.read() == [{"id": 1}, {"id": 0}]
                assert len(other.seen) == 1
                assert b"canary" not in other.seen[0].raw
                assert "authorization" not in other.seen[0].headers
            else:
                with pytest.raises(PageError, match="another origin") as caught:
                    await one.read()
                assert other.url in str(caught.value)
                assert other.connections == 0
            assert server.seen[0].headers["authorization"] == "Bearer canary-token"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "template",
    [
        "http://user@{home}@{other}/foreign",
        "http://{home}\\@{other}/foreign",
        "http:\\\\{other}/foreign",
        "//{other}/foreign",
        "http://{home}#@{other}/foreign",
        "http://{home}%2f@{other}/foreign",
        "ftp://{home}/foreign",
        "javascript:alert(1)",
        "http://[::1/foreign",
        " http://{other}/foreign",
        "h\nttp://{other}/foreign",
    ],
)
async def test_links_made_to_confuse_reach_nobody_else(template: str) -> None:
    async with serve(linking("unused")) as other:
        held: list[str] = []

        async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
            return await linking(held[0])(seen, writer)

        async with (
            serve(handle) as server,
            opened(
                server,
                api={**CREDENTIALS, "retry": ONCE},
                records="items",
                paginator=NextUrlPaginator(next_path="next"),
            ) as one,
        ):
            home, away = server.url[7:], other.url[7:]
            held.append(template.format(home=home, other=away))
            try:
                await one.read()
            except BronzeError as exc:
                assert isinstance(exc, PageError | ExtractError | RetryError)  # noqa: PT017
            assert other.connections == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_takes_no_credential_along(status: int) -> None:
    async def there(*_: object) -> bytes:
        return answer(ROW)

    async with serve(there) as other:

        async def here(*_: object) -> bytes:
            return answer(body=b"", status=status, headers={"Location": f"{other.url}/y"})

        api = {
            "auth": ApiKeyAuth(key=Secret("canary-key"), name="key", location="query"),
            "headers": CREDENTIALS["headers"],
        }
        async with (
            serve(here) as server,
            opened(server, api=api, params={"secret": "canary-param"}) as one,
        ):
            assert await one.read() == ROW
            assert b"canary-key" in server.seen[0].raw
            assert b"canary" not in other.seen[0].raw
            assert one.tally.requests == 2


@pytest.mark.asyncio
async def test_a_redirect_at_home_keeps_the_credentials() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            return answer(body=b"", status=301, headers={"Location": "y"})
        return answer(ROW)

    async with serve(handle) as server, opened(server, api=CREDENTIALS) as one:
        assert await one.read() == ROW
        assert server.seen[1].path == "/y"
        assert server.seen[1].headers["authorization"] == "Bearer canary-token"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_is_not_redirected_to_another_origin(status: int) -> None:
    async with serve(silence) as other:

        async def here(*_: object) -> bytes:
            return answer(body=b"", status=status, headers={"Location": f"{other.url}/y"})

        async with serve(here) as server, opened(server, method="POST", json={"a": 1}) as one:
            with pytest.raises(ExtractError, match="another origin"):
                await one.read()
            assert other.connections == 0


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


def clients_tasks() -> set[asyncio.Task[object]]:
    """All tasks but those in which the test's server accepts and answers, on this same loop."""
    servers = ("_accept_connection", "Server.talk")
    return {task for task in asyncio.all_tasks() if not any(map(repr(task).count, servers))}


@pytest.mark.asyncio
async def test_cancelling_closes_connections_and_leaves_no_task() -> None:
    async with (
        serve(silence) as server,
        opened(server, paginator=PagePaginator(parallel=5), clock=SYSTEM_CLOCK) as one,
    ):
        before = clients_tasks()
        async with anyio.create_task_group() as group:
            group.start_soon(one.read)
            while not server.seen:
                await SYSTEM_CLOCK.sleep(0.001)
            group.cancel_scope.cancel()
        assert clients_tasks() <= before
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("paginator", [PagePaginator(parallel=5), PagePaginator()])
async def test_cancelling_while_handing_on_leaves_no_task(paginator: PagePaginator) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer([{"id": int(seen.query["page"])}])

    async with (
        serve(handle) as server,
        opened(server, paginator=paginator, clock=SYSTEM_CLOCK) as one,
    ):
        handing_on = anyio.Event()

        async def emit(_: object) -> None:
            handing_on.set()
            await anyio.sleep_forever()

        pieces = [piece async for piece in one.source.slices()]
        before = clients_tasks()
        async with anyio.create_task_group() as group:
            group.start_soon(one.source.read, pieces[0], emit)
            await handing_on.wait()
            group.cancel_scope.cancel()
        gc.collect()
        for _ in range(5):
            # A generator that nobody closed would now be closed by a task of the loop's own.
            assert clients_tasks() <= before
            await SYSTEM_CLOCK.sleep(0)
        assert one.budget.pooled_bytes == 0


def echo(status: int) -> Handler:
    """Repeats the whole request, as debugging proxies do."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer({"message": "you sent " + seen.raw.decode()}, status=status)

    return handle


LEAKY: dict[str, Handler | None] = {
    **{name: handler for name, (handler, *_) in FAULTS.items() if name != "gzip bomb"},
    **{f"echo {status}": echo(status) for status in (400, 401, 403, 404, 429, 500)},
    "silence": silence,
    "refused": None,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("in_query", [False, True])
@pytest.mark.parametrize("fault", LEAKY)
async def test_no_secret_is_in_any_message(
    fault: str, in_query: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = LEAKY[fault]
    auth = (
        ApiKeyAuth(key=Secret("canary/key"), name="key", location="query")
        if in_query
        else BearerAuth(token=Secret("canary-token"))
    )
    async with serve(handler or silence) as server:
        base_url = server.url if handler else "http://127.0.0.1:1"
        async with opened(
            f"{base_url}?secret=canary-base",
            api={"auth": auth, "headers": CREDENTIALS["headers"], "timeout": QUICK},
            params={"password": "canary-param"},
            paginator=PAGES,
        ) as one:
            with pytest.raises(BronzeError) as caught:
                await one.read()
        texts = [
            *traceback.format_exception(caught.value),
            caplog.text,
            repr(caught.value.context),
            repr(one.events),
            repr(one.tally.warnings),
        ]
        for text in texts:
            assert "canary" not in text
        link: BaseException | None = caught.value
        while link is not None:  # what a logger that follows __context__ would print
            assert "canary" not in repr(link) + str(link)
            link = link.__cause__ or link.__context__
