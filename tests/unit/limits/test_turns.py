from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.limits.turns import FairQueue, Turns
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit


def group_of(clock: ManualClock, rate: RateLimit | None, concurrency: int) -> LimitGroup:
    return LimitRegistry(clock, lambda _event: None).group(
        "shop",
        "ApiExtractor",
        rate=rate,
        retry=Retry(),
        breaker=CircuitBreaker(),
        concurrency=concurrency,
    )


class Load:
    """Pipelines that each keep so many requests in flight, each of so many seconds."""

    def __init__(self, clock: ManualClock, group: LimitGroup) -> None:
        self.clock = clock
        self.group = group
        self.sent: list[tuple[float, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def add(self, pipeline: str, in_flight: int, seconds: float) -> None:
        limits = self.group.limits(pipeline=pipeline)

        async def operation() -> None:
            self.sent.append((self.clock.monotonic(), pipeline))
            await self.clock.sleep(seconds)

        async def lane() -> None:
            while True:
                await limits.call(operation, describe="x")

        self.tasks += [asyncio.create_task(lane()) for _ in range(in_flight)]

    async def run(self, seconds: float) -> Counter[str]:
        await self.clock.advance(seconds)
        await self.end()
        return Counter(pipeline for _, pipeline in self.sent)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.asyncio
async def test_each_pipeline_has_its_share_of_a_rate_however_many_requests_it_has() -> None:
    clock = ManualClock()
    load = Load(clock, group_of(clock, RateLimit(rps=50, burst=20), 100))
    load.add("greedy", 64, 0.05)
    for number in range(19):
        load.add(f"p{number}", 1 + number % 4, 0.05 + 0.01 * number)
    shares = await load.run(20)
    fair = sum(shares.values()) / 20
    assert len(shares) == 20
    assert min(shares.values()) > 0.8 * fair
    assert max(shares.values()) < 1.2 * fair + 20  # the burst went to whoever came first
    assert sum(shares.values()) == 20 + 50 * 20  # and nothing of the rate was lost
    instants = [at for at, _ in load.sent]
    for i, begin in enumerate(instants):
        for j in range(i, len(instants), 7):
            assert j - i + 1 <= 50 * (instants[j] - begin) + 20 + 1e-6


@pytest.mark.asyncio
async def test_where_slots_are_what_is_short_the_shares_of_a_rate_are_fair_too() -> None:
    clock = ManualClock()
    load = Load(clock, group_of(clock, RateLimit(rps=50, burst=1), 4))
    load.add("greedy", 64, 0.01)
    for number in range(19):
        load.add(f"p{number}", 1, 0.01)
    shares = await load.run(20)
    fair = sum(shares.values()) / 20
    assert min(shares.values()) > 0.8 * fair
    assert max(shares.values()) < 1.2 * fair


@pytest.mark.asyncio
async def test_a_slow_endpoint_does_not_take_the_slots_of_a_quick_one() -> None:
    clock = ManualClock()
    load = Load(clock, group_of(clock, None, 10))
    load.add("slow", 64, 10)
    load.add("quick", 5, 0.125)
    shares = await load.run(60)
    assert shares["quick"] >= 0.8 * 5 * 50 / 0.125  # its five slots, from the first release on
    assert shares["slow"] >= 5 * 5


@pytest.mark.asyncio
async def test_one_that_comes_late_does_not_wait_for_all_that_were_there_before() -> None:
    clock = ManualClock()
    load = Load(clock, group_of(clock, RateLimit(rps=10, burst=1), 100))
    load.add("early", 50, 0)
    await clock.advance(1.05)
    load.add("late", 1, 0)
    await clock.advance(0.2)
    await load.end()
    assert "late" in [pipeline for _, pipeline in load.sent]


def test_one_that_is_away_for_less_than_a_round_misses_none() -> None:
    queue = FairQueue()
    for _ in range(8):
        queue.add("a")
        queue.add("b")
    queue.add("c")
    order = []
    for _ in range(15):
        order.append(queue.serve())
        if order[-2:-1] == ["c"]:
            queue.add("c")  # back one turn later
    assert order == ["a", "b", "c"] * 5


def test_who_asked_before_comes_before_those_of_its_pipeline_that_asked_later() -> None:
    queue = FairQueue()
    third, first = queue.add("a", 3.0), queue.add("a", 1.0)
    other = queue.add("b", 0.5)
    second, last, fourth = queue.add("a", 2.0), queue.add("a"), queue.add("a", 3.0)
    mine = [first, second, third, fourth, last]
    for number, granted in enumerate(mine):
        while queue.serve() != "a":
            assert other.is_set()
        assert [each.is_set() for each in mine] == [True] * (number + 1) + [False] * (4 - number)
        assert granted.is_set()


def test_what_is_remembered_does_not_grow_with_the_pipelines_there_were() -> None:
    queue = FairQueue()
    for number in range(1000):
        queue.add(f"p{number}")
        queue.add("always")
        queue.serve()
        queue.serve()
    assert len(queue._rounds) <= 65
    assert len(queue._waiting) == 0


@given(
    st.lists(st.sampled_from(["a", "b", "c", "serve", "serve", "serve", "leave"]), max_size=120),
)
def test_two_that_wait_all_the_time_are_served_as_often(steps: list[str]) -> None:
    queue = FairQueue()
    waiting: list[tuple[str, object]] = []
    since: dict[str, Counter[str]] = {}
    for step in steps:
        if step in "abc":
            since.setdefault(step, Counter())
            waiting.append((step, queue.add(step)))
        elif step == "leave" and waiting:
            pipeline, granted = waiting.pop()
            queue.remove(pipeline, granted)  # type: ignore[arg-type]
        elif step == "serve" and waiting:
            served = queue.serve()
            mine = next(each for each in waiting if each[0] == served)  # the first of its own
            assert mine[1].is_set()  # type: ignore[attr-defined]
            waiting.remove(mine)
            for counts in since.values():
                counts[served] += 1
        for gone in set(since) - {pipeline for pipeline, _ in waiting}:
            del since[gone]
        for one, counts in since.items():
            assert all(counts[other] <= counts[one] + 2 for other in counts)
        assert len(queue) == len(waiting)


@settings(max_examples=60)
@given(
    rps=st.sampled_from([1, 7.3, 50]),
    burst=st.integers(1, 8),
    starts=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2)), min_size=1, max_size=30),
)
def test_any_arrivals_of_any_pipelines_stay_below_the_bound(
    rps: float, burst: int, starts: list[tuple[int, float]]
) -> None:
    granted: list[float] = []
    order: dict[int, list[int]] = {}

    async def scenario() -> None:
        clock = ManualClock()
        group = group_of(clock, RateLimit(rps=rps, burst=burst), 1000)

        async def one(number: int) -> None:
            pipeline, at = starts[number]
            await clock.sleep(at)

            async def operation() -> None:
                granted.append(clock.monotonic())
                order.setdefault(pipeline, []).append(number)

            await group.limits(pipeline=f"p{pipeline}").call(operation, describe="x")

        tasks = [asyncio.create_task(one(number)) for number in range(len(starts))]
        await clock.advance(3 + len(starts) / rps)
        assert all(task.done() for task in tasks)

    asyncio.run(scenario())
    for i, begin in enumerate(granted):
        for j in range(i, len(granted)):
            assert j - i + 1 <= rps * (granted[j] - begin) + burst + 1e-6
    for numbers in order.values():
        assert all(starts[a][1] <= starts[b][1] for a, b in pairwise(numbers))


@pytest.mark.asyncio
@pytest.mark.parametrize("is_granted", [False, True])
async def test_a_turn_that_is_cancelled_is_handed_on(is_granted: bool) -> None:
    turns = Turns()
    await turns.take("a")
    waiter = asyncio.create_task(turns.take("b"))
    other = asyncio.create_task(turns.take("c"))
    await anyio.lowlevel.checkpoint()
    if is_granted:
        turns.leave()
    waiter.cancel()
    await asyncio.wait([waiter])
    if not is_granted:
        turns.leave()
    await asyncio.wait([other])
    assert waiter.cancelled()
    assert other.exception() is None
    assert turns.waiting == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("is_granted", [False, True])
async def test_a_slot_whose_waiter_is_cancelled_is_handed_on(is_granted: bool) -> None:
    slots = Concurrency(1)
    await slots.acquire("a")
    waiter = asyncio.create_task(slots.acquire("b"))
    other = asyncio.create_task(slots.acquire("c"))
    await anyio.lowlevel.checkpoint()
    if is_granted:
        slots.release("a")
    waiter.cancel()
    await asyncio.wait([waiter])
    if not is_granted:
        slots.release("a")
    await asyncio.wait([other])
    assert (slots.in_flight, slots.waiting) == (1, 0)
    slots.release("c")
    assert (slots.in_flight, slots._held) == (0, {})
