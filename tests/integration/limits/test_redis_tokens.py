"""Tokens that a real Redis counts: the scripts, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.limits.redis.tokens import RedisTokens
from bronze_engine.limits.shared import SharedBucket
from bronze_engine.limits.tokens import Lease, SharedRate, Tokens
from tests.documents import Document
from tests.integration.redis import RedisServer, redis_server

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

__all__ = ["redis_server"]

SECOND = SharedRate(group="shop", kind="second", rate=10, capacity=5)
MINUTE = SharedRate(group="shop", kind="minute", rate=4 / 60, capacity=4)


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Tokens]:
    tokens = RedisTokens(parse_redis_url(url), clock=SYSTEM_CLOCK)
    try:
        yield tokens
    finally:
        await tokens.aclose()


async def lease(tokens: Tokens, rate: SharedRate, count: int = 1) -> Lease:
    found = await tokens.lease(rate, count)
    assert found is not None
    return found


async def test_the_burst_is_due_at_once_and_the_rest_at_the_rate(redis_server: RedisServer) -> None:
    async with process(redis_server.url) as one, process(redis_server.url) as other:
        burst = await lease(one, SECOND, 5)
        assert list(burst.due_seconds) == [0, 0, 0, 0, 0]
        assert -0.1 <= burst.tokens <= 0
        first = await lease(other, SECOND, 2)
        later = await lease(one, SECOND)
    due = [*first.due_seconds, *later.due_seconds]
    assert due == pytest.approx([0.1, 0.2, 0.3], abs=0.05)
    assert max(due) <= 0.304
    assert (burst.processes, first.processes, later.processes) == (1, 2, 2)


async def test_no_minute_holds_more_than_its_tokens(redis_server: RedisServer) -> None:
    async with process(redis_server.url) as one, process(redis_server.url) as other:
        first = await lease(one, MINUTE, 3)
        second = await lease(other, MINUTE, 4)
        third = await lease(one, MINUTE)
    assert [first.tokens, second.tokens] == [1, 0]
    due = [*first.due_seconds, *second.due_seconds, *third.due_seconds]
    assert due[:4] == [0] * 4
    assert due[4:7] == pytest.approx([60.1] * 3, abs=0.2)
    assert third.due_seconds == pytest.approx([60.1], abs=0.2)  # a minute after the fourth
    assert all(later >= 60 for later in due[4:])


async def test_tokens_that_were_not_due_are_reserved_in_the_order_of_asking(
    redis_server: RedisServer,
) -> None:
    slow = SharedRate(group="slow", kind="second", rate=0.5, capacity=1)
    async with process(redis_server.url) as one, process(redis_server.url) as other:
        found = [(await lease(tokens, slow)).due_seconds[0] for tokens in [one, other, one, other]]
    assert found == pytest.approx([0, 2, 4, 6], abs=0.2)


async def test_a_pause_is_told_to_all_and_the_longer_one_stays(redis_server: RedisServer) -> None:
    async with process(redis_server.url) as one, process(redis_server.url) as other:
        await one.pause("shop", 30)
        await one.pause("shop", 5)
        assert (await lease(other, SECOND)).pause_seconds == pytest.approx(30, abs=1)
        crm = SharedRate(group="crm", kind="second", rate=10, capacity=5)
        assert (await lease(other, crm)).pause_seconds == 0


async def test_who_leaves_is_counted_no_more_and_all_keys_expire(
    redis_server: RedisServer,
) -> None:
    async with process(redis_server.url) as stays:
        async with process(redis_server.url) as goes:
            await lease(goes, SECOND)
            await lease(goes, MINUTE)
            await goes.pause("shop", 3)
            assert (await lease(stays, SECOND)).processes == 2
        assert (await lease(stays, SECOND)).processes == 1
        await lease(stays, SharedRate(group="x" * 300, kind="second", rate=1, capacity=1))
        await lease(stays, SharedRate(group="{odd} name", kind="second", rate=1, capacity=1))
        with redis_server.client() as client:
            keys = client.keys()
            assert isinstance(keys, list)
            shop = {key for key in keys if "{shop}" in key}
            assert shop == {
                f"bronze:{{shop}}:{kind}" for kind in ("minute", "pause", "processes", "second")
            }
            assert len(keys) == len(shop) + 4
            for key in keys:
                assert key.startswith("bronze:{")
                assert len(key) < 120
                assert 0 < int(str(client.pttl(key))) < 125_000


async def test_a_clock_that_was_put_back_does_not_stop_the_tokens(
    redis_server: RedisServer,
) -> None:
    async with process(redis_server.url) as tokens:
        await lease(tokens, SECOND)
        await lease(tokens, MINUTE)
        with redis_server.client() as client:
            ahead = float(str(client.get("bronze:{shop}:second"))) + 3600e6
            client.set("bronze:{shop}:second", f"{ahead:.0f}")
            client.rpush("bronze:{shop}:minute", f"{ahead:.0f}")
        assert (await lease(tokens, SECOND)).due_seconds[0] < 2
        assert (await lease(tokens, MINUTE)).due_seconds[0] == 0


async def test_scripts_are_sent_once_and_again_when_they_are_forgotten(
    redis_server: RedisServer,
) -> None:
    async with process(redis_server.url) as tokens:
        for _ in range(20):
            await lease(tokens, SECOND)
        with redis_server.client() as client:
            calls = client.info("commandstats")
            assert isinstance(calls, dict)
            assert calls["cmdstat_eval"]["calls"] == 1
            assert calls["cmdstat_evalsha"]["calls"] == 20
            client.script_flush()
        await lease(tokens, SECOND)


async def test_a_hanging_server_is_given_up_after_a_second(redis_server: RedisServer) -> None:
    async with process(redis_server.url) as tokens:
        await lease(tokens, SECOND)
        redis_server.freeze()
        began = SYSTEM_CLOCK.monotonic()
        assert await tokens.lease(SECOND, 1) is None
        assert 0.9 < SYSTEM_CLOCK.monotonic() - began < 3
        assert await tokens.lease(SECOND, 1) is None  # not even asked
        assert tokens.regained_at is None
        redis_server.thaw()
        await SYSTEM_CLOCK.sleep(1.1)
        await lease(tokens, SECOND)
        assert tokens.regained_at is not None


async def test_a_cancelled_caller_is_held_for_a_second_at_most_and_nothing_is_left(
    redis_server: RedisServer,
) -> None:
    before = asyncio.all_tasks()
    async with process(redis_server.url) as tokens:
        bucket = SharedBucket(
            SECOND, tokens, clock=SYSTEM_CLOCK, component="ApiExtractor", pause=lambda _: None
        )
        await bucket.acquire()
        redis_server.freeze()
        for _ in range(2):
            waiter = asyncio.create_task(bucket.acquire())
            await SYSTEM_CLOCK.sleep(0.1)
            waiter.cancel()
            began = SYSTEM_CLOCK.monotonic()
            await asyncio.wait([waiter])
            assert waiter.cancelled()
            assert SYSTEM_CLOCK.monotonic() - began < 2.5
    assert asyncio.all_tasks() == before
    redis_server.thaw()
    with redis_server.client() as client:
        assert len(client.client_list()) == 1  # this one


async def test_the_password_is_in_no_log(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = redis_server.url.replace("//", "//someone:open-sesame@")
    async with process(url) as tokens:
        assert await tokens.lease(SECOND, 1) is None
    assert f"redis://127.0.0.1:{redis_server.port}/0 can't be used" in caplog.text
    assert "sesame" not in caplog.text
    assert "someone" not in caplog.text


async def test_the_commands_of_the_guide_are_enough(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        (line,) = Document("docs/limits.md").blocks("text", "The server")
        client.execute_command(*line.replace("PASSWORD", "open-sesame").split())
        url = redis_server.url.replace("//", "//bronze:open-sesame@").replace("/0", "/3")
        async with process(url) as tokens:
            await lease(tokens, SECOND)
            await lease(tokens, MINUTE, 5)
            await tokens.pause("shop", 1)
        log = client.execute_command("ACL", "LOG")
    refused = {entry[entry.index("object") + 1] for entry in log}
    assert refused <= {"client", "client|setinfo"}  # the client's name, which is not needed
