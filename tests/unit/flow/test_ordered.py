"""Fetches side by side, handed on in order, on a budget that all flows share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from bronze_engine.flow import Budget, Lane, ordered
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

Fetch = Callable[[int], Awaitable[tuple[int, int]]]

PAGE = 100


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def fetcher(clock: ManualClock, *, size: int = PAGE, seed: int = 0) -> Fetch:
    """Fetches that take between 0 and 1 s, so that they end out of order."""
    chance = random.Random(seed)

    async def fetch(number: int) -> tuple[int, int]:
        await clock.sleep(chance.randrange(9) / 8)
        return number, size

    return fetch


async def flow(
    lane: Lane,
    count: int,
    fetch: Fetch,
    emit: Callable[[int], Awaitable[bool | None]],
    *,
    ahead: int = 8,
    estimate: int = PAGE,
) -> None:
    await ordered(
        numbers(count), fetch, emit, lane=lane, estimate=lambda _number: estimate, ahead=ahead
    )


class Sink:
    """Keeps what it is given; takes its time where it has a clock."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock
        self.values: list[int] = []

    async def __call__(self, value: int) -> None:
        if self.clock is not None:
            await self.clock.sleep(0.125)
        self.values.append(value)


def assert_all_given_back(budget: Budget, *lanes: Lane) -> None:
    assert [lane.held_bytes for lane in lanes] == [0] * len(lanes)
    assert budget.pooled_bytes == 0
    assert budget.reserved_bytes == 0


async def test_values_come_out_in_the_order_of_the_items() -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    lane = Lane(budget, PAGE)
    sink = Sink()
    await clock.drive(flow(lane, 200, fetcher(clock), sink))
    assert sink.values == list(range(200))
    assert clock.monotonic() < 60  # side by side: one after another takes 100 s
    assert_all_given_back(budget, lane)


@pytest.mark.parametrize("floor", [0, PAGE, 10 * PAGE])
async def test_a_page_a_hundred_times_the_budget_passes(floor: int) -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    lane = Lane(budget, floor)
    sink = Sink()
    size = 1000 * PAGE
    await clock.drive(flow(lane, 5, fetcher(clock, size=size), sink, estimate=size))
    assert sink.values == list(range(5))
    assert_all_given_back(budget, lane)


async def test_a_page_larger_than_its_estimate_never_waits() -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    lane = Lane(budget, PAGE)
    sink = Sink()
    await clock.drive(flow(lane, 50, fetcher(clock, size=50 * PAGE), sink))
    assert sink.values == list(range(50))
    assert_all_given_back(budget, lane)


async def test_thirty_lanes_on_a_budget_of_ten_pages_finish_in_order() -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    lanes = [Lane(budget, PAGE) for _ in range(30)]
    sinks = [Sink(clock) for _ in lanes]

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for number, (lane, sink) in enumerate(zip(lanes, sinks, strict=True)):
                tasks.start_soon(flow, lane, 40, fetcher(clock, seed=number), sink)

    await clock.drive(all_of_them())
    assert all(sink.values == list(range(40)) for sink in sinks)
    assert_all_given_back(budget, *lanes)


async def test_lanes_hold_no_more_than_the_budget_their_floors_and_one_item_a_fetch() -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    lanes = [Lane(budget, PAGE) for _ in range(4)]
    most = 0

    async def emit(_number: int) -> None:
        nonlocal most
        await clock.sleep(1)
        most = max(most, sum(lane.held_bytes for lane in lanes))

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for lane in lanes:
                tasks.start_soon(flow, lane, 20, fetcher(clock), emit)

    await clock.drive(all_of_them())
    assert 10 * PAGE <= most <= (10 + 4) * PAGE


async def test_five_nested_flows_on_two_pages_finish() -> None:
    clock = ManualClock()
    budget = Budget(2 * PAGE)
    lanes: list[Lane] = []
    leaves = 0

    async def level(depth: int) -> None:
        nonlocal leaves
        if depth == 0:
            leaves += 1
            return
        lane = Lane(budget, PAGE)
        lanes.append(lane)

        async def emit(_number: int) -> None:
            await level(depth - 1)

        await flow(lane, 3, fetcher(clock), emit)

    await clock.drive(level(5))
    assert leaves == 3**5
    assert_all_given_back(budget, *lanes)


async def test_faults_past_the_end_fail_nothing() -> None:
    clock = ManualClock()
    budget = Budget(100 * PAGE)
    lane = Lane(budget, PAGE)
    values: list[int] = []

    async def fetch(number: int) -> tuple[int, int]:
        if number > 5:
            raise ValueError(f"404 for {number}")
        await clock.sleep(1)
        return number, PAGE

    async def emit(number: int) -> bool:
        values.append(number)
        return number < 5

    await clock.drive(flow(lane, 1000, fetch, emit))
    assert values == list(range(6))
    assert_all_given_back(budget, lane)


async def test_the_first_error_in_order_comes_out_alone_with_its_cause() -> None:
    clock = ManualClock()
    budget = Budget(100 * PAGE)
    lane = Lane(budget, PAGE)
    sink = Sink()
    root = OSError("root")

    async def fetch(number: int) -> tuple[int, int]:
        await clock.sleep(10 - number)  # the last fails first
        if number >= 3:
            raise ValueError(f"page {number}") from root
        return number, PAGE

    with pytest.raises(ValueError, match="page 3") as caught:
        await clock.drive(flow(lane, 8, fetch, sink))
    assert sink.values == [0, 1, 2]
    assert caught.value.__cause__ is root
    assert not hasattr(caught.value, "__notes__")
    assert_all_given_back(budget, lane)


async def test_an_error_of_the_items_comes_after_the_values_before_it() -> None:
    clock = ManualClock()
    budget = Budget(100 * PAGE)
    lane = Lane(budget, PAGE)
    sink = Sink(clock)

    async def items() -> AsyncIterator[int]:
        yield 0
        yield 1
        raise LookupError("no next page")

    with pytest.raises(LookupError, match="no next page"):
        await clock.drive(
            ordered(
                items(), fetcher(clock), sink, lane=lane, estimate=lambda _number: PAGE, ahead=8
            )
        )
    assert sink.values == [0, 1]
    assert_all_given_back(budget, lane)


async def test_an_error_of_emit_ends_the_flow() -> None:
    clock = ManualClock()
    budget = Budget(100 * PAGE)
    lane = Lane(budget, PAGE)

    async def emit(number: int) -> None:
        if number == 2:
            raise KeyError("disk full")

    with pytest.raises(KeyError, match="disk full"):
        await clock.drive(flow(lane, 50, fetcher(clock), emit))
    assert_all_given_back(budget, lane)


@pytest.mark.parametrize("ahead", [1, 2, 5])
async def test_ahead_bounds_what_is_started(ahead: int) -> None:
    clock = ManualClock()
    budget = Budget(1000 * PAGE)
    lane = Lane(budget, PAGE)
    started = -1
    lead: list[int] = []

    async def fetch(number: int) -> tuple[int, int]:
        nonlocal started
        started = number
        return number, PAGE

    async def emit(number: int) -> None:
        await clock.sleep(1)
        lead.append(started - number)

    await clock.drive(flow(lane, 30, fetch, emit, ahead=ahead))
    assert lead[:20] == [ahead] * 20


async def test_randomly_cancelled_lanes_leak_no_byte() -> None:
    clock = ManualClock()
    budget = Budget(10 * PAGE)
    chance = random.Random(7)
    lanes = [Lane(budget, chance.choice([0, PAGE, 3 * PAGE])) for _ in range(400)]

    async def one(number: int, lane: Lane) -> None:
        await flow(lane, 20, fetcher(clock, seed=number, size=130), Sink(clock), ahead=4)

    tasks = [asyncio.create_task(one(number, lane)) for number, lane in enumerate(lanes)]
    doomed = list(tasks)
    chance.shuffle(doomed)
    for group in range(0, 400, 25):
        await clock.advance(chance.randrange(4) / 8)
        for task in doomed[group : group + 25]:
            task.cancel()
    await asyncio.wait(tasks)
    assert_all_given_back(budget, *lanes)
    lane = Lane(budget, PAGE)
    sink = Sink()
    await clock.drive(flow(lane, 20, fetcher(clock), sink))
    assert sink.values == list(range(20))


async def test_a_fetch_that_is_cancelled_from_within_is_no_end() -> None:
    async def fetch(number: int) -> tuple[int, int]:
        if number == 1:
            raise asyncio.CancelledError
        return number, PAGE

    lane = Lane(Budget(100 * PAGE), PAGE)
    with pytest.raises(RuntimeError, match="cancelled from within"):
        await flow(lane, 4, fetch, Sink(), ahead=2)
