"""Slowing down by what a server says is left, against servers that would refuse."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Limits
from bronze_engine.errors import RetryError
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.limits.transient import Transient
from bronze_engine.model.quota import Quota
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class QuotaServer:
    """So many requests in each window; refuses the others, and says what is left."""

    def __init__(
        self, clock: ManualClock, *, limit: int, window: float, latency: float = 0.125
    ) -> None:
        self.clock = clock
        self.limit = limit
        self.window = window
        self.latency = latency
        self.used: dict[int, int] = {}
        self.refused = 0
        self.arrived: list[float] = []
        self.tells: Callable[[float, float], tuple[Quota, ...]] = lambda left, reset: (
            Quota(remaining=left, limit=limit, reset_seconds=reset),
        )

    async def __call__(self, limits: Limits) -> None:
        await self.clock.sleep(self.latency)
        now = self.clock.monotonic()
        self.arrived.append(now)
        window = int(now // self.window)
        used = self.used.get(window, 0)
        reset = (window + 1) * self.window - now
        if used >= self.limit:
            self.refused += 1
            limits.told(self.tells(0, reset))
            raise Transient("status 429", counts=False, retry_after_seconds=reset)
        self.used[window] = used + 1
        limits.told(self.tells(self.limit - used - 1, reset))


def limits_on(
    clock: ManualClock,
    *,
    concurrency: int = 20,
    max_wait: float = 300,
    rate: RateLimit | None = None,
) -> Limits:
    group = LimitRegistry(clock, lambda _event: None).group(
        "shop",
        "ApiExtractor",
        rate=rate,
        retry=Retry(max_wait=Duration(max_wait)),
        breaker=CircuitBreaker(),
        concurrency=concurrency,
    )
    return group.limits()


async def send(limits: Limits, server: QuotaServer, requests: int) -> None:
    """Page 1 alone, as the HTTP source asks, then the others side by side."""

    async def one() -> None:
        await limits.call(lambda: server(limits), describe="GET /orders")

    async def all_of_them() -> None:
        await one()
        await asyncio.gather(*(one() for _ in range(requests - 1)))

    await server.clock.drive(all_of_them())


@pytest.mark.parametrize("concurrency", [1, 20, 100])
async def test_no_request_is_refused_over_several_windows(concurrency: int) -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=60, window=60)
    await send(limits_on(clock, concurrency=concurrency), server, 200)
    assert server.refused == 0
    assert clock.monotonic() < 4 * 60


async def test_while_plenty_is_left_nothing_is_held_back() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=1000, window=3600)
    await send(limits_on(clock), server, 801)
    assert clock.monotonic() == pytest.approx(0.125 * 41)


async def test_the_last_tenth_is_spread_until_the_reset() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=100, window=60)
    await send(limits_on(clock), server, 100)
    assert server.refused == 0
    assert server.arrived[89] < 1
    gaps = [later - earlier for earlier, later in pairwise(server.arrived[90:])]
    assert gaps == pytest.approx([6] * 9, rel=0.05)


async def test_a_tenth_that_max_wait_could_not_save_is_not_spread() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=60, window=3600)
    await send(limits_on(clock, max_wait=300), server, 60)
    assert clock.monotonic() < 2


async def test_when_nothing_is_left_nothing_is_sent_until_the_reset(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=10, window=30)
    with caplog.at_level(logging.INFO):
        await send(limits_on(clock), server, 11)
    assert server.refused == 0
    assert server.arrived[-1] == pytest.approx(30.125)
    assert "metric=rate_limit component=ApiExtractor phase=throttle remaining=" in caplog.text


@pytest.mark.parametrize("reset", [0.0, 30.0])
async def test_a_server_that_tells_no_limit_is_asked_again_behind_the_reset(reset: float) -> None:
    """Reddit's headers have none: where nothing was left at first, nothing was known to come."""
    clock = ManualClock()
    limits, sent = limits_on(clock), list[float]()

    async def ask() -> None:
        sent.append(clock.monotonic())
        limits.told((Quota(remaining=0, reset_seconds=reset),))

    async def all_of_them() -> None:
        for _ in range(4):
            await limits.call(ask, describe="GET /x")

    await asyncio.wait_for(clock.drive(all_of_them()), 10)
    assert sent == [0, reset, 2 * reset, 3 * reset]


async def test_what_waited_for_the_reset_with_its_token_is_no_burst_behind_it() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=20, window=30)
    rate = RateLimit(rps=10, burst=5)
    await send(limits_on(clock, concurrency=40, rate=rate), server, 50)
    assert server.refused == 0
    for first, began in enumerate(server.arrived):
        for last, ended in enumerate(server.arrived[first:], first):
            assert last - first + 1 <= 10 * (ended - began) + 5 + 1e-6


async def test_a_reset_beyond_max_wait_is_an_error_before_the_request() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=5, window=3600)
    limits = limits_on(clock, max_wait=60)
    await send(limits, server, 5)
    with pytest.raises(RetryError, match=r"shop says that none of its requests is left") as caught:
        await send(limits, server, 1)
    assert len(server.arrived) == 5
    assert caught.value.code == "RETRY001"
    assert caught.value.context["retry_after_seconds"] == pytest.approx(3600, abs=2)


async def test_a_run_that_needs_no_more_than_is_left_does_not_wait() -> None:
    clock = ManualClock()
    await send(limits_on(clock, max_wait=1), QuotaServer(clock, limit=5, window=3600), 5)
    assert clock.monotonic() < 1


async def test_each_of_several_limits_holds() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=50, window=1000)

    def tells(left: float, reset: float) -> tuple[Quota, ...]:
        second = Quota(name="second", remaining=0, limit=1, reset_seconds=1)
        return Quota(name="day", remaining=left, limit=50, reset_seconds=reset), second

    server.tells = tells
    await send(limits_on(clock, concurrency=1), server, 4)
    assert server.arrived == pytest.approx([0.125, 1.25, 2.375, 3.5])


async def test_a_leaking_bucket_is_followed_at_the_rate_at_which_it_leaks() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=10_000, window=10_000)
    level, at = 0.0, 0.0

    def tells(_left: float, _reset: float) -> tuple[Quota, ...]:
        nonlocal level, at
        now = clock.monotonic()
        level, at = max(0.0, level - (now - at) * 2) + 1, now
        assert level <= 40 + 1e-6  # or it would have answered 429
        left = 40 - level
        return (Quota(remaining=left, limit=40, reset_seconds=level / 2, refill_per_second=2),)

    server.tells = tells
    await send(limits_on(clock), server, 100)
    assert clock.monotonic() == pytest.approx((100 - 40) / 2, abs=2)


async def test_answers_in_any_order_let_nothing_through_too_much() -> None:
    clock = ManualClock()
    server = QuotaServer(clock, limit=30, window=10)
    chance = random.Random(1)
    answer = server.__call__

    async def late(limits: Limits) -> None:
        server.latency = chance.uniform(0.05, 0.5)
        await answer(limits)

    limits = limits_on(clock, concurrency=16)

    async def one() -> None:
        await limits.call(lambda: late(limits), describe="GET /orders")

    async def all_of_them() -> None:
        await one()
        await asyncio.gather(*(one() for _ in range(150)))

    await clock.drive(all_of_them())
    assert server.refused == 0
    assert len(server.arrived) == 151
    assert clock.monotonic() < 60


async def test_a_cancelled_waiter_has_taken_nothing() -> None:
    clock = ManualClock()
    limits = limits_on(clock)

    async def nothing() -> None:
        pass

    limits.told((Quota(remaining=0, limit=10, reset_seconds=10),))
    doomed = asyncio.create_task(limits.call(nothing, describe="x"))
    heir = asyncio.create_task(limits.call(nothing, describe="x"))
    await clock.settle()
    doomed.cancel()
    await clock.drive(asyncio.wait_for(heir, None))
    assert clock.monotonic() == 10
