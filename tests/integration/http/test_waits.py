"""How long the HTTP source waits for a server that asks for it, is silent, or is gone."""

from __future__ import annotations

import asyncio
import email.utils
import socket
from datetime import timedelta
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Timeout
from bronze_engine.config.units import Duration
from bronze_engine.errors import AuthError, ExtractError, RetryError
from bronze_engine.testing.clock import ManualClock
from tests.integration.http_faults import HEAD, PAGES, QUICK, ROW, silence
from tests.integration.http_server import ONCE, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


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


GOOGLE = {
    "error": {
        "code": 403,
        "message": "User Rate Limit Exceeded",
        "errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}],
    }
}
SALESFORCE = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
GITHUB = {
    "message": "You have exceeded a secondary rate limit.",
    "documentation_url": "https://docs.github.com/rest/rate-limits#about-secondary-rate-limits",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("body", "instants"),
    [
        (GOOGLE, [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5]),
        (SALESFORCE, [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5]),
        (GITHUB, [0.0, 60.0, 120.0, 180.0]),
    ],
)
async def test_a_403_that_is_about_the_rate_pauses(
    body: Any, instants: list[float], compress: bool
) -> None:
    clock = ManualClock()
    seen: list[float] = []

    async def handle(*_: object) -> bytes:
        seen.append(clock.monotonic())
        if len(seen) < len(instants):
            return answer(body, status=403, compress=compress)
        return answer(ROW)

    async with serve(handle) as server, opened(server, clock=clock) as one:
        assert await one.read() == ROW
    assert seen == instants


META = {"message": "(#17) User request limit reached", "code": 17, "fbtrace_id": "A"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        ({"error": META}, True),
        ({"error": {**META, "code": 80004}}, True),
        ({"error": {**META, "code": 2, "is_transient": True}}, True),
        ({"__type": "com.amazon.coral.availability#ThrottlingException"}, True),
        ({"error": {**META, "code": 100, "is_transient": False}}, False),
        ({"error": {"code": 17}}, False),
        ({"__type": "ValidationException"}, False),
    ],
)
async def test_a_400_that_is_about_the_rate_is_asked_again(error: Any, is_retried: bool) -> None:
    answers = [answer(error, status=400)] * 2

    async def handle(*_: object) -> bytes:
        return answers.pop() if answers else answer(ROW)

    async with serve(handle) as server, opened(server) as one:
        if is_retried:
            assert await one.read() == ROW
        else:
            with pytest.raises(ExtractError, match="refused with 400"):
                await one.read()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 403, "errors": [{"reason": "insufficientPermissions"}]}},
        {"error": {"code": 403, "errors": [{"reason": "dailyLimitExceeded"}]}},
        [{"message": "no access", "errorCode": "INSUFFICIENT_ACCESS"}],
        {"message": "rateLimitExceeded", "documentation_url": "https://docs.github.com/rest"},
        {"reason": ["rateLimitExceeded"]},
        "rateLimitExceeded",
    ],
)
async def test_any_other_403_is_a_refusal(body: Any) -> None:
    async def handle(*_: object) -> bytes:
        return answer(body, status=403)

    async with serve(handle) as server, opened(server) as one:
        with pytest.raises(AuthError, match="refused with 403"):
            await one.read()
        assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_an_hour_is_too_long() -> None:
    async def handle(*_: object) -> bytes:
        return answer({}, status=429, headers={"Retry-After": "3600"})

    async with serve(handle) as server, opened(server) as one:
        with pytest.raises(RetryError, match="3600 s"):
            await one.read()
        assert len(server.seen) == 1


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
