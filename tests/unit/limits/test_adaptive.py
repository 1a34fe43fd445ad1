from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal

import pytest

from bronze_engine.limits.adaptive import MAX_LIMIT, Outcome, Search
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class QueueServer:
    """Works on `capacity` requests at once, each for `latency`; the others queue."""

    def __init__(self, clock: ManualClock, *, capacity: int, latency: float) -> None:
        self.clock = clock
        self.latency = latency
        self.lanes = asyncio.Semaphore(capacity)
        self.spread: random.Random | None = None
        """Where set, each answer takes between half and one and a half times the latency."""

    async def __call__(self) -> bool:
        async with self.lanes:
            spread = 1.0 if self.spread is None else self.spread.uniform(0.5, 1.5)
            await self.clock.sleep(self.latency * spread)
        return True


class RefusingServer:
    """Works on `capacity` requests at once; refuses the others at once (429)."""

    def __init__(self, clock: ManualClock, *, capacity: int, latency: float) -> None:
        self.clock = clock
        self.latency = latency
        self.free = capacity

    async def __call__(self) -> bool:
        if self.free == 0:
            await self.clock.sleep(self.latency / 8)
            return False
        self.free -= 1
        try:
            await self.clock.sleep(self.latency)
        finally:
            self.free += 1
        return True


async def load(
    clock: ManualClock,
    limiter: Concurrency,
    server: QueueServer | RefusingServer,
    *,
    requests: int,
    clients: int = 300,
    watch: Callable[[], None] = lambda: None,
) -> float:
    """Send so many requests as fast as the limiter allows; good answers a second."""
    left = requests
    good = 0

    async def client() -> None:
        nonlocal left, good
        while left > 0:
            left -= 1
            await limiter.acquire()
            try:
                number, began = limiter.begin(), clock.monotonic()
                answered = await server()
                outcome: Outcome = "succeeded" if answered else "refused"
                limiter.observe(number, clock.monotonic() - began, outcome)
                good += answered
                watch()
            finally:
                limiter.release()

    began = clock.monotonic()

    async def run() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    await clock.drive(run())
    return good / (clock.monotonic() - began)


def queue_server(clock: ManualClock, capacity: int) -> QueueServer:
    return QueueServer(clock, capacity=capacity, latency=0.0625)


def refusing_server(clock: ManualClock, capacity: int) -> RefusingServer:
    return RefusingServer(clock, capacity=capacity, latency=0.0625)


@pytest.mark.parametrize("capacity", [1, 3, 6, 20, 50, 110])
async def test_reaches_85_percent_of_the_best_fixed_number_where_requests_queue(
    capacity: int,
) -> None:
    rates: dict[str, float] = {}
    settings: tuple[int | Literal["auto"], ...] = ("auto", capacity)
    for concurrency in settings:
        clock = ManualClock()
        limiter = Concurrency(concurrency)
        rates[str(concurrency)] = await load(
            clock, limiter, queue_server(clock, capacity), requests=60 * capacity + 200
        )
        if concurrency == "auto":
            assert capacity * 0.85 <= limiter.limit <= max(4, capacity * 2)
    assert rates["auto"] >= 0.85 * rates[str(capacity)]


@pytest.mark.parametrize("capacity", [3, 6, 20, 50])
async def test_reaches_85_percent_of_the_best_fixed_number_where_requests_are_refused(
    capacity: int,
) -> None:
    rates: dict[str, float] = {}
    settings: tuple[int | Literal["auto"], ...] = ("auto", capacity)
    for concurrency in settings:
        clock = ManualClock()
        rates[str(concurrency)] = await load(
            clock,
            Concurrency(concurrency),
            refusing_server(clock, capacity),
            requests=100 * capacity,
        )
    assert rates["auto"] >= 0.85 * rates[str(capacity)]


@pytest.mark.parametrize("capacity", [8, 40])
async def test_latencies_that_vary_do_not_mislead_it(capacity: int) -> None:
    rates: list[float] = []
    settings: tuple[int | Literal["auto"], ...] = ("auto", capacity)
    for concurrency in settings:
        clock = ManualClock()
        server = queue_server(clock, capacity)
        server.spread = random.Random(1)
        rates.append(
            await load(
                clock, Concurrency(concurrency), server, requests=2000, clients=2 * capacity + 10
            )
        )
    assert rates[0] >= 0.85 * rates[1]


async def test_doubles_each_round_trip_while_the_latency_is_constant() -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    reached: dict[int, float] = {}

    def note() -> None:
        reached.setdefault(limiter.limit, clock.monotonic() / 0.0625)

    await load(
        clock,
        limiter,
        queue_server(clock, 1000),
        requests=1500,
        watch=note,
    )
    doubled = {limit: at for limit, at in reached.items() if limit.bit_count() == 1}
    assert doubled == {8: 1, 16: 2, 32: 3, 64: 4, 128: 5}
    assert reached[MAX_LIMIT] == 6


async def test_two_hundred_pages_take_no_more_than_seven_round_trips() -> None:
    clock = ManualClock()
    await load(clock, Concurrency("auto"), queue_server(clock, 1000), requests=200)
    assert clock.monotonic() <= 7 * 0.0625


async def test_answers_that_take_no_time_are_no_fault() -> None:
    limiter = Concurrency("auto")
    for _ in range(2000):
        await limiter.acquire()
        limiter.observe(limiter.begin(), 0.0, "succeeded")
        limiter.release()
    assert limiter.limit == 4


async def test_does_not_grow_without_demand() -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    await load(clock, limiter, queue_server(clock, 1000), requests=500, clients=3)
    assert limiter.limit == 4


async def test_follows_a_server_that_becomes_slower_and_recovers() -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    server = queue_server(clock, 1000)
    await load(clock, limiter, server, requests=1500)
    assert limiter.limit == MAX_LIMIT
    server.lanes = asyncio.Semaphore(10)
    await load(clock, limiter, server, requests=3000)
    assert 8 <= limiter.limit <= 20
    server.lanes = asyncio.Semaphore(1000)
    await load(clock, limiter, server, requests=20000)
    assert limiter.limit >= 100


async def test_slower_pages_that_are_no_congestion_do_not_shrink_it_for_long() -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    server = queue_server(clock, 1000)
    await load(clock, limiter, server, requests=1500)
    server.latency *= 4
    await load(clock, limiter, server, requests=10000)
    assert limiter.limit >= 0.85 * MAX_LIMIT


@pytest.mark.parametrize(("failures", "limit"), [(0, 4), (1, 4), (3, 2), (50, 2)])
async def test_one_failure_in_a_window_changes_nothing_and_many_do(
    failures: int, limit: int
) -> None:
    limiter = Concurrency("auto")
    for number in range(4 + 4 + 50):
        failed = number < failures
        limiter.observe(limiter.begin(), 0.1, "failed" if failed else "succeeded")
    assert limiter.limit == limit


async def test_results_of_an_earlier_level_are_not_taken_for_the_present_one() -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    await load(clock, limiter, queue_server(clock, 1000), requests=60)
    before = limiter.limit
    for _ in range(1000):
        limiter.observe(1, 0.1, "failed")
    assert limiter.limit == before


async def test_the_last_refusal_of_a_burst_tells_what_the_server_took() -> None:
    search = Search()
    numbers = [search.begin() for _ in range(30)]
    answered, taken, refused = numbers[:4], numbers[4:20], numbers[20:]
    for number in answered:  # unread when the refused ones began
        search.observe(number, 0.1, "succeeded", 30)
    limits: list[int] = []
    for number in [*refused[5:7], *refused[:5], *refused[7:]]:
        search.observe(number, 0.01, "refused", 26)
        limits.append(search.limit)
    assert limits[0] == len(taken) + 5  # as none of the five before is known as refused
    assert limits[-1] == len(taken)


@pytest.mark.parametrize("told", [1, 4, 9])
async def test_attempts_that_tell_nothing_do_not_blind_it(told: int) -> None:
    clock = ManualClock()
    limiter = Concurrency("auto")
    for _ in range(told):
        await limiter.acquire()
        limiter.observe(limiter.begin(), 0.0, "untold")
        limiter.release()
    await load(clock, limiter, queue_server(clock, 20), requests=1500)
    assert 17 <= limiter.limit <= 40


async def test_a_fixed_number_stays() -> None:
    limiter = Concurrency(7)
    for _ in range(1000):
        limiter.observe(limiter.begin(), 0.1, "refused")
    assert limiter.limit == 7
    assert limiter.is_fixed


async def test_slots_go_out_in_the_order_of_asking() -> None:
    clock = ManualClock()
    limiter = Concurrency(2)
    order: list[tuple[int, float]] = []

    async def use(number: int) -> None:
        await limiter.acquire()
        order.append((number, clock.monotonic()))
        await clock.sleep(1)
        limiter.release()

    async def all_of_them() -> None:
        await asyncio.gather(*(use(number) for number in range(6)))

    await clock.drive(all_of_them())
    assert order == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)]


@pytest.mark.parametrize("after_grant", [False, True])
async def test_a_cancelled_waiter_holds_no_slot(after_grant: bool) -> None:
    limiter = Concurrency(1)
    await limiter.acquire()
    doomed = asyncio.create_task(limiter.acquire())
    heir = asyncio.create_task(limiter.acquire())
    await asyncio.wait([doomed], timeout=0)
    assert limiter.waiting == 2
    if after_grant:
        limiter.release()  # the slot is the doomed one's, which has not run since
        doomed.cancel()
    else:
        doomed.cancel()
        await asyncio.wait([doomed])
        limiter.release()
    await heir
    assert doomed.cancelled()
    assert (limiter.in_flight, limiter.waiting) == (1, 0)
    limiter.release()
    assert limiter.in_flight == 0
