from __future__ import annotations

import asyncio
import logging

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import RateLimit
from bronze_engine.limits.bucket import Bucket, buckets_of
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit


def bucket_of(clock: ManualClock, rps: float, burst: int | None = None) -> Bucket:
    (bucket,) = buckets_of(RateLimit(rps=rps, burst=burst), clock=clock, component="ApiExtractor")
    return bucket


@pytest.mark.parametrize(("rps", "capacity"), [(0.2, 1), (1, 1), (2.5, 3), (10, 10)])
def test_capacity_is_one_seconds_worth_where_no_burst_is_set(rps: float, capacity: int) -> None:
    assert bucket_of(ManualClock(), rps).capacity == capacity


@pytest.mark.asyncio
async def test_the_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    clock = ManualClock()
    bucket = bucket_of(clock, 4, 2)
    granted: list[float] = []

    async def take() -> None:
        for _ in range(5):
            await bucket.acquire()
            granted.append(clock.monotonic())

    await clock.drive(take())
    assert granted == [0, 0, 0.25, 0.5, 0.75]
    assert bucket.tokens == 0


@pytest.mark.asyncio
async def test_a_rest_fills_the_bucket_up_to_its_capacity_only() -> None:
    clock = ManualClock()
    bucket = bucket_of(clock, 4, 2)
    await bucket.acquire()
    await bucket.acquire()
    await clock.advance(0.25)
    assert bucket.tokens == 1
    await clock.advance(100)
    assert bucket.tokens == 2


@pytest.mark.asyncio
async def test_tokens_are_granted_in_the_order_of_asking() -> None:
    clock = ManualClock()
    bucket = bucket_of(clock, 2, 1)
    order: list[tuple[int, float]] = []

    async def take(number: int) -> None:
        await bucket.acquire()
        order.append((number, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(take, number)
        await clock.advance(10)
    assert order == [(number, number / 2) for number in range(6)]


@pytest.mark.asyncio
@pytest.mark.parametrize("place", [0, 1, 3])
async def test_a_cancelled_waiter_gives_up_its_place_and_no_token(place: int) -> None:
    clock = ManualClock()
    bucket = bucket_of(clock, 2, 1)
    await bucket.acquire()
    order: list[tuple[int, float]] = []

    async def take(number: int) -> None:
        await bucket.acquire()
        order.append((number, clock.monotonic()))

    tasks = [asyncio.create_task(take(number)) for number in range(4)]
    await clock.advance(0.25)
    tasks[place].cancel()
    await clock.advance(10)
    rest = [number for number in range(4) if number != place]
    assert order == [(number, (i + 1) / 2) for i, number in enumerate(rest)]
    assert bucket.tokens == 1


@pytest.mark.asyncio
async def test_a_token_given_back_wakes_whoever_waits_for_the_next() -> None:
    clock = ManualClock()
    bucket = bucket_of(clock, 0.125, 1)
    await bucket.acquire()
    waiter = asyncio.create_task(bucket.acquire())
    await clock.advance(1)
    assert not waiter.done()
    bucket.give_back()
    await clock.settle()
    assert waiter.done()
    assert clock.waiting == ()
    assert bucket.tokens == 0  # one token given back and taken again, none made


@settings(max_examples=60, deadline=None)
@given(
    rps=st.sampled_from([0.5, 1, 3, 7.3, 10, 100]),
    burst=st.integers(1, 8),
    starts=st.lists(st.floats(0, 5), min_size=1, max_size=25),
    doomed=st.lists(st.tuples(st.integers(0, 24), st.floats(0, 5)), max_size=8),
    returned=st.sets(st.integers(0, 24), max_size=5),
)
def test_no_window_holds_more_than_rate_times_span_plus_burst(
    rps: float,
    burst: int,
    starts: list[float],
    doomed: list[tuple[int, float]],
    returned: set[int],
) -> None:
    granted: list[float] = []
    order: list[int] = []

    async def scenario() -> None:
        clock = ManualClock()
        bucket = bucket_of(clock, rps, burst)
        asked: list[int] = []

        async def take(number: int) -> None:
            await clock.sleep(starts[number])
            asked.append(number)
            await bucket.acquire()
            if number in returned:
                bucket.give_back()
            else:
                granted.append(clock.monotonic())
                order.append(number)

        tasks = [asyncio.create_task(take(number)) for number in range(len(starts))]

        async def kill(number: int, at: float) -> None:
            await clock.sleep(at)
            tasks[number % len(tasks)].cancel()

        killers = [asyncio.create_task(kill(*pair)) for pair in doomed]
        await clock.advance(5 + len(starts) / rps + 1)
        assert all(task.done() for task in [*tasks, *killers])
        assert order == [number for number in asked if number in order]
        await clock.advance(burst / rps + 1)
        assert bucket.tokens == burst

    asyncio.run(scenario())
    for i, begin in enumerate(granted):
        for j in range(i, len(granted)):
            assert j - i + 1 <= rps * (granted[j] - begin) + burst + 1e-6


@pytest.mark.asyncio
async def test_the_log_says_how_it_stands_and_is_sampled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = ManualClock()
    bucket = bucket_of(clock, 10, 10)

    async def take() -> None:
        for _ in range(300):
            await bucket.acquire()

    await clock.drive(take())
    assert caplog.records[0].getMessage() == (
        "metric=rate_limit component=ApiExtractor phase=acquire tokens=9.00 capacity=10 rate=10.00"
    )
    seconds = clock.monotonic()
    assert len(caplog.records) <= seconds + 2
    waits = [record for record in caplog.records if record.levelno == logging.INFO]
    assert len(waits) == 3


@pytest.mark.asyncio
async def test_an_unhindered_run_logs_nothing_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    bucket = bucket_of(clock, 100)
    for _ in range(50):
        await bucket.acquire()
        await clock.advance(0.5)
    assert caplog.records == []
