from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.limits.redis.link import Link
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.limits.shared import SharedBucket
from bronze_engine.limits.transient import Transient
from bronze_engine.testing import ManualClock
from tests.unit.limits.shared_tokens import Process, Server

pytestmark = pytest.mark.unit


class Load:
    """Processes that want more than there is, and what they were granted."""

    def __init__(self, server: Server, buckets: Sequence[SharedBucket], lanes: int = 4) -> None:
        self.clock = server.clock
        self.granted: list[tuple[float, int]] = []
        self.tasks = [
            asyncio.create_task(self._lane(number, bucket))
            for number, bucket in enumerate(buckets)
            for _ in range(lanes)
        ]

    async def _lane(self, number: int, bucket: SharedBucket) -> None:
        while True:
            await bucket.acquire()
            self.granted.append((self.clock.monotonic(), number))

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)

    @property
    def instants(self) -> list[float]:
        return [at for at, _ in self.granted]


def assert_bounded(instants: Sequence[float], rate: float, most: float) -> None:
    """No window of t seconds holds more than rate x t + most."""
    for i, begin in enumerate(instants):
        for j in range(i, len(instants)):
            assert j - i + 1 <= rate * (instants[j] - begin) + most + 1e-6


@pytest.mark.asyncio
async def test_six_processes_have_the_burst_and_the_rate_together_and_equal_shares() -> None:
    clock = ManualClock()
    server = Server(clock)
    load = Load(server, [Process(server).bucket() for _ in range(6)])
    await clock.advance(10)
    await load.end()
    assert len(load.granted) == 520
    assert_bounded(load.instants, 50, 20)
    shares = Counter(number for _, number in load.granted)
    assert min(shares.values()) > 0.8 * 520 / 6


@pytest.mark.asyncio
@pytest.mark.parametrize("latency", [0.03, 0.1, 0.2])
async def test_a_server_that_is_far_away_slows_nobody_that_has_requests_waiting(
    latency: float,
) -> None:
    clock = ManualClock()
    server = Server(clock)
    server.latency = latency
    load = Load(server, [Process(server).bucket()], lanes=32)
    await clock.advance(20)
    await load.end()
    assert 0.9 * 50 * 20 <= len(load.granted) <= 50 * 20 + 20
    assert_bounded(load.instants, 50, 20)


@pytest.mark.asyncio
async def test_a_server_that_was_lost_and_has_forgotten_all_costs_a_burst_at_most() -> None:
    clock = ManualClock()
    server = Server(clock)
    processes = [Process(server) for _ in range(6)]
    load = Load(server, [process.bucket() for process in processes])
    await clock.advance(4)
    server.go_down()
    await clock.advance(8)
    assert_bounded([at for at in load.instants if at > 4.5], 50, 20)  # by their shares
    server.is_up = True
    await clock.advance(18)
    leases, grants = server.leases, len(load.granted)
    await clock.advance(5)
    await load.end()
    assert server.leases - leases >= len(load.granted) - grants - 6  # shared as before
    assert_bounded(load.instants, 50, 20 + 20 + 6)
    assert len(load.granted) >= 0.9 * 50 * 35
    late = Counter(number for at, number in load.granted if at > 30)
    assert min(late.values()) > 0.8 * 5 * 50 / 6


@pytest.mark.asyncio
async def test_where_one_process_is_left_it_has_the_whole_rate_again() -> None:
    clock = ManualClock()
    server = Server(clock)
    buckets = [Process(server).bucket() for _ in range(2)]
    both = Load(server, buckets)
    await clock.advance(1)
    server.go_down()
    await both.end()
    alone = Load(server, buckets[:1])
    await clock.advance(4)
    assert len(alone.granted) <= 4 * 25 + 10
    server.is_up = True
    await clock.advance(20)
    before = len(alone.granted)
    await clock.advance(4)
    await alone.end()
    assert len(alone.granted) - before == pytest.approx(200, abs=2)


@pytest.mark.asyncio
async def test_one_that_was_idle_while_the_server_was_lost_keeps_to_its_share_afterwards() -> None:
    clock = ManualClock()
    server = Server(clock)
    process, other = Process(server), Process(server)
    idle, busy = process.bucket(rate=10, capacity=1), process.bucket(rate=10, capacity=1)
    for bucket in (idle, busy, other.bucket(rate=10, capacity=1), idle):
        await clock.drive(bucket.acquire())
    server.go_down()
    await clock.drive(busy.acquire())
    await clock.advance(2)
    server.is_up = True
    await clock.drive(busy.acquire())
    load = Load(server, [idle])
    await clock.advance(4)
    await load.end()
    assert len(load.granted) == pytest.approx(4 * 10 / 2, abs=1)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_of_minute", [False, True])
async def test_a_server_that_was_never_there_leaves_a_share_of_what_was_told(
    is_of_minute: bool,
) -> None:
    clock = ManualClock()
    server = Server(clock)
    server.is_up = False
    process = Process(server, processes=5)
    load = Load(server, [process.bucket(rate=10, capacity=600, is_of_minute=is_of_minute)])
    await clock.advance(60)
    await load.end()
    assert len(load.granted) == pytest.approx(60 * 10 / 5, abs=1)
    assert_bounded(load.instants, 2, 1)


@pytest.mark.asyncio
async def test_a_hanging_server_holds_nobody_longer_than_its_own_bound() -> None:
    clock = ManualClock()
    server = Server(clock)
    server.is_up = False
    server.latency = 1.0
    load = Load(server, [Process(server).bucket()])
    await clock.advance(60)
    await load.end()
    waits = [later - at for at, later in pairwise(load.instants)]
    assert max(waits) <= 1.1
    assert len(load.granted) >= 0.8 * 50 * 60


@pytest.mark.asyncio
async def test_a_token_whose_waiter_is_cancelled_goes_to_the_next() -> None:
    clock = ManualClock()
    server = Server(clock)
    bucket = Process(server).bucket(rate=1, capacity=1)
    await bucket.acquire()
    first, second = (asyncio.create_task(bucket.acquire()) for _ in range(2))
    await clock.advance(0.5)
    first.cancel()
    await clock.advance(0.55)
    assert second.done()
    assert second.exception() is None
    assert server.leases == 2


@pytest.mark.asyncio
async def test_a_token_that_nobody_took_makes_no_burst_later() -> None:
    clock = ManualClock()
    server = Server(clock)
    bucket = Process(server).bucket(rate=1, capacity=1)
    await bucket.acquire()
    waiter = asyncio.create_task(bucket.acquire())
    await clock.advance(0.5)
    waiter.cancel()
    await clock.advance(100)
    load = Load(server, [bucket])
    await clock.advance(0.99)
    await load.end()
    assert len(load.granted) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("is_up", [True, False])
async def test_a_token_that_is_given_back_is_not_granted_again(is_up: bool) -> None:
    clock = ManualClock()
    server = Server(clock)
    server.is_up = is_up
    bucket = Process(server).bucket(rate=1, capacity=1)
    await clock.drive(bucket.acquire())
    bucket.give_back()
    began = clock.monotonic()
    await clock.drive(bucket.acquire())
    assert clock.monotonic() - began == pytest.approx(1)


@pytest.mark.asyncio
async def test_many_that_wait_reserve_together() -> None:
    clock = ManualClock()
    server = Server(clock)
    server.latency = 0.002
    load = Load(server, [Process(server).bucket(rate=1000, capacity=1)], lanes=64)
    await clock.advance(2)
    await load.end()
    assert len(load.granted) >= 1600
    assert server.leases <= 230
    assert_bounded(load.instants[:200], 1000, 3)  # as far as an answer may be under way


@pytest.mark.asyncio
async def test_what_is_left_is_told_without_asking() -> None:
    clock = ManualClock()
    server = Server(clock)
    bucket = Process(server).bucket(rate=10, capacity=20)
    assert bucket.tokens == 20
    for _ in range(5):
        await bucket.acquire()
    assert bucket.tokens == pytest.approx(15)
    await clock.advance(0.2)
    assert bucket.tokens == pytest.approx(17)
    await clock.advance(10)
    assert bucket.tokens == 20
    assert server.leases == 5


@settings(max_examples=50)
@given(
    rate=st.sampled_from([0.7, 3, 50, 400]),
    burst=st.integers(1, 6),
    starts=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 3)), min_size=1, max_size=30),
    doomed=st.lists(st.tuples(st.integers(0, 29), st.floats(0, 3)), max_size=8),
)
def test_any_arrivals_in_any_processes_stay_below_the_bound(
    rate: float,
    burst: int,
    starts: list[tuple[int, float]],
    doomed: list[tuple[int, float]],
) -> None:
    granted: list[float] = []

    async def scenario() -> None:
        clock = ManualClock()
        server = Server(clock)
        buckets = [Process(server).bucket(rate=rate, capacity=burst) for _ in range(3)]

        async def one(number: int) -> None:
            process, at = starts[number]
            await clock.sleep(at)
            await buckets[process].acquire()
            granted.append(clock.monotonic())

        tasks = [asyncio.create_task(one(number)) for number in range(len(starts))]

        async def kill(number: int, at: float) -> None:
            await clock.sleep(at)
            tasks[number % len(tasks)].cancel()

        killers = [asyncio.create_task(kill(*pair)) for pair in doomed]
        await clock.advance(4 + 3 * len(starts) / rate)
        assert all(task.done() for task in [*tasks, *killers])

    asyncio.run(scenario())
    # A token that was reserved for one that was cancelled may come a tenth of a second late.
    assert_bounded(granted, rate, burst + min(3, rate * 0.1))


def group_of(process: Process, *, rate: RateLimit) -> LimitGroup:
    return LimitRegistry(process.clock, lambda _event: None, tokens=process).group(
        "shop",
        "ApiExtractor",
        rate=rate,
        retry=Retry(),
        breaker=CircuitBreaker(),
        concurrency=4,
    )


@pytest.mark.asyncio
async def test_a_pause_that_one_process_is_asked_for_holds_for_all() -> None:
    clock = ManualClock()
    server = Server(clock)
    one, other = (
        group_of(Process(server), rate=RateLimit(rps=10, burst=10)).limits() for _ in range(2)
    )
    sent: list[float] = []
    answers: list[Exception] = [Transient("429", counts=False, retry_after_seconds=20)]

    async def operation() -> None:
        if answers:
            raise answers.pop()
        sent.append(clock.monotonic())

    first = asyncio.create_task(one.call(operation, describe="x"))
    await clock.advance(1)
    second = asyncio.create_task(other.call(operation, describe="x"))
    await clock.advance(60)
    assert first.done()
    assert second.done()
    assert sent == pytest.approx([20, 20], abs=0.2)


@pytest.mark.asyncio
async def test_a_pipeline_s_own_rate_is_shared_under_its_name() -> None:
    clock = ManualClock()
    server = Server(clock)
    groups = [group_of(Process(server), rate=RateLimit(rps=1000)) for _ in range(2)]
    sent: list[float] = []

    async def operation() -> None:
        sent.append(clock.monotonic())

    tasks = [
        asyncio.create_task(
            group.limits(RateLimit(rps=2, burst=1), pipeline="team.orders").call(
                operation, describe="x"
            )
        )
        for group in groups
        for _ in range(2)
    ]
    await clock.advance(3)
    assert all(task.done() for task in tasks)
    assert sent == pytest.approx([0, 0.5, 1, 1.5])
    assert "pipeline/team.orders" in server._full


@pytest.mark.asyncio
async def test_a_loss_is_told_once_and_tried_seldom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    link = Link(clock, "redis://example.com:6379/0")
    tries = []
    for _ in range(400):
        if link.may_try():
            tries.append(clock.monotonic())
            link.lost(OSError("refused"))
        await clock.advance(0.125)
    assert tries[:5] == [0, 1, 3, 7, 15]
    assert max(b - a for a, b in pairwise(tries)) <= 8
    assert link.was_lost
    link.reached()
    assert link.regained_at == clock.monotonic()
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.INFO]
    assert "redis://example.com:6379/0 can't be used (OSError: refused)" in caplog.text
