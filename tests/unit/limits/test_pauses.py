"""A server that asks for a pause holds the whole group, and uses no attempt."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from bronze_engine.config.api import RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.errors import RetryError
from bronze_engine.limits.transient import Transient
from bronze_engine.telemetry.events import RequestRetried
from tests.unit.limits.limited import Fixture, Server, throttled

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_a_pause_that_the_server_asked_for_uses_no_attempt_and_never_counts() -> None:
    it = Fixture(failures=1)
    server = Server(it.clock, [throttled(2) for _ in range(20)])
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [2.0 * n for n in range(21)]
    assert it.group.statistics().breaker == "closed"


@pytest.mark.asyncio
async def test_a_503_with_retry_after_is_a_pause_whatever_it_says_of_counting() -> None:
    it = Fixture(failures=1)
    server = Server(it.clock, [Transient("503", counts=True, retry_after_seconds=7)] * 2)
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [0, 7, 14]
    assert it.group.statistics().breaker == "closed"


@pytest.mark.asyncio
async def test_a_page_that_is_tried_again_comes_before_those_that_asked_after_it() -> None:
    it = Fixture(concurrency=1)
    sent: list[int] = []

    async def ask(page: int) -> None:
        sent.append(page)
        await it.clock.sleep(1)
        if sent.count(1) == 1 and page == 1:
            raise Transient("503 Service Unavailable")

    async def read(page: int) -> None:
        await it.limits.call(lambda: ask(page), describe=f"page {page}")

    async def all_pages() -> None:
        async with anyio.create_task_group() as tasks:
            for page in range(1, 6):
                tasks.start_soon(read, page)
                await it.clock.sleep(0.01)

    await it.clock.drive(all_pages())
    assert sent == [1, 2, 1, 3, 4, 5]


@pytest.mark.asyncio
async def test_a_pause_holds_for_the_whole_group() -> None:
    it = Fixture()
    first, second = Server(it.clock, [throttled(10)]), Server(it.clock)
    tasks = [it.begin(first)]
    await it.clock.advance(3)
    assert it.group.statistics().paused_seconds == 7
    tasks.append(it.begin(second))
    await it.clock.advance(7)
    assert [task.result() for task in tasks] == ["ok", "ok"]
    assert (first.at, second.at) == ([0, 10], [10])


@pytest.mark.asyncio
async def test_a_burst_that_is_refused_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    it = Fixture()
    server = Server(it.clock, [throttled(5.0)] * 8)
    server.latency = 0.125

    async def all_of_them() -> None:
        await asyncio.gather(*(it.call(server) for _ in range(8)))

    with caplog.at_level(logging.WARNING):
        await it.clock.drive(all_of_them())
    assert [each.getMessage() for each in caplog.records] == [
        "GET /orders: 429 Too Many Requests; no request goes to shop for 5.00 s"
    ]
    assert len([each for each in it.events if isinstance(each, RequestRetried)]) == 8


@pytest.mark.asyncio
async def test_a_pause_that_begins_while_waiting_for_a_token_costs_none() -> None:
    it = Fixture(rate=RateLimit(rps=1, burst=2))
    first, second, third = Server(it.clock, [throttled(10)]), Server(it.clock), Server(it.clock)
    first.latency = 0.5
    tasks = [it.begin(server) for server in (first, second, third)]
    await it.clock.advance(20)
    assert all(task.done() for task in tasks)
    # `third` had its token at 1, while the pause until 10.5 was running, and gave it back.
    assert sorted([*first.at, *second.at, *third.at]) == [0, 0, 10.5, 10.5]
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_a_429_that_says_nothing_of_use_follows_the_backoff_without_using_attempts() -> None:
    it = Fixture(retry=Retry(attempts=2, max_wait=Duration(300)))
    server = Server(it.clock, [throttled() for _ in range(7)])
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5]


@pytest.mark.asyncio
async def test_a_retry_after_of_zero_is_no_leave_to_hammer() -> None:
    it = Fixture(retry=Retry(max_wait=Duration(20)))
    server = Server(it.clock, [throttled(0.0) for _ in range(100)])
    with pytest.raises(RetryError, match=r"max_wait allows 20 s"):
        await it.clock.drive(it.call(server))
    assert server.at == [0, 0.5, 1.5, 3.5, 7.5, 15.5]


@pytest.mark.asyncio
async def test_a_pause_above_max_wait_is_an_error_at_once_that_says_how_long() -> None:
    it = Fixture()
    server = Server(it.clock, [throttled(3600)])
    with pytest.raises(RetryError, match=r"asked for a pause of 3600 s .*allows 300 s") as caught:
        await it.call(server)
    assert caught.value.context["retry_after_seconds"] == 3600
    assert server.at == [0]
    assert it.group.statistics().paused_seconds == 0


@pytest.mark.asyncio
async def test_pauses_add_up_to_max_wait_for_one_operation() -> None:
    it = Fixture(retry=Retry(max_wait=Duration(25)))
    server = Server(it.clock, [throttled(10) for _ in range(9)])
    with pytest.raises(RetryError, match="makes 30 s"):
        await it.clock.drive(it.call(server))
    assert server.at == [0, 10, 20]
