from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from bronze_engine.flow import Budget, Lane, each, ordered, single
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


async def test_a_waiter_cancelled_after_its_grant_gives_the_bytes_back() -> None:
    budget = Budget(2 * PAGE)
    lane, other = Lane(budget, 0), Lane(budget, 0)
    await lane.take(2 * PAGE)
    await other.take(1)  # an empty lane is never made to wait
    doomed = asyncio.create_task(other.take(PAGE))
    heir = asyncio.create_task(other.take(PAGE))
    await ManualClock().settle()
    lane.add(-2 * PAGE)  # grants the doomed one, which has not run since
    doomed.cancel()
    await heir
    assert other.held_bytes == PAGE + 1


async def test_bytes_above_the_floor_are_granted_in_the_order_of_asking() -> None:
    clock = ManualClock()
    budget = Budget(10)
    holder, large, small = (Lane(budget, 1) for _ in range(3))
    await holder.take(11)
    await large.take(1)
    await small.take(1)
    granted: list[str] = []

    async def ask(name: str, lane: Lane, size: int) -> None:
        await lane.take(size)
        granted.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, "large", large, 8)
        await clock.settle()
        tasks.start_soon(ask, "small", small, 2)
        await clock.settle()
        holder.add(-4)
        await clock.settle()
        assert granted == []  # the small one would fit, and waits for its turn
        holder.add(-6)
        await clock.settle()
        assert granted == ["large", "small"]


async def test_a_lane_below_its_floor_overtakes_those_that_wait() -> None:
    clock = ManualClock()
    budget = Budget(10)
    holder, needy = Lane(budget, 0), Lane(budget, 5)
    await holder.take(10)
    waiting = asyncio.create_task(holder.take(5))
    await clock.settle()
    await needy.take(4)
    assert needy.held_bytes == 4
    assert not waiting.done()
    waiting.cancel()


async def test_reserve_is_first_come_first_served_and_all_or_nothing() -> None:
    clock = ManualClock()
    budget = Budget(10)
    log: list[str] = []

    async def run(name: str, size: int, seconds: float) -> None:
        async with budget.reserve(size, on_wait=lambda: log.append(f"{name} waits")):
            log.append(f"{name} at {clock.monotonic():g} of {budget.reserved_bytes}")
            await clock.sleep(seconds)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for name, size, seconds in (("a", 6, 2.0), ("b", 6, 1.0), ("c", 2, 1.0)):
                tasks.start_soon(run, name, size, seconds)

    await clock.drive(all_of_them())
    assert log == ["b waits", "c waits", "a at 0 of 6", "b at 2 of 8", "c at 2 of 8"]
    assert budget.reserved_bytes == 0


async def test_a_reservation_larger_than_the_limit_passes_alone() -> None:
    budget = Budget(10)
    async with budget.reserve(50):
        assert budget.reserved_bytes == 50
    assert budget.reserved_bytes == 0


@pytest.mark.parametrize("after_grant", [False, True])
async def test_a_cancelled_reservation_lets_the_next_in(after_grant: bool) -> None:
    clock = ManualClock()
    budget = Budget(10)
    entered: list[str] = []

    async def run(name: str, size: int) -> None:
        async with budget.reserve(size):
            entered.append(name)

    async with budget.reserve(5):
        doomed = asyncio.create_task(run("doomed", 10))
        heir = asyncio.create_task(run("heir", 5))
        await clock.settle()
        if not after_grant:
            doomed.cancel()
            await clock.settle()
            assert entered == ["heir"]
    doomed.cancel()
    await asyncio.wait([doomed, heir])
    assert entered == ["heir"]
    assert budget.reserved_bytes == 0


async def test_what_is_reserved_is_not_in_the_pool() -> None:
    clock = ManualClock()
    budget = Budget(10)
    lane = Lane(budget, 1)
    async with budget.reserve(8):
        await lane.take(1)
        waiting = asyncio.create_task(lane.take(3))
        await clock.settle()
        assert not waiting.done()
    await waiting
    assert lane.held_bytes == 4


async def test_single_prefers_exits_then_the_order_and_notes_the_others() -> None:
    first, second, leave = ValueError("1"), KeyError("2"), KeyboardInterrupt()
    assert single(ExceptionGroup("", [first, second])) is first
    assert first.__notes__ == ["also: KeyError('2')"]
    nested = BaseExceptionGroup("", [first, BaseExceptionGroup("", [leave, second])])
    assert single(nested) is leave


@pytest.mark.parametrize(("count", "at_once", "most"), [(0, 4, 0), (1, 4, 1), (3, 1, 1), (5, 3, 3)])
async def test_each_takes_no_more_tasks_than_it_has_items(
    count: int, at_once: int, most: int
) -> None:
    clock, seen, tasks = ManualClock(), list[int](), set[object]()

    async def work(item: int) -> None:
        tasks.add(asyncio.current_task())
        await clock.sleep(1.0)
        seen.append(item)

    await clock.drive(each(range(count), work, at_once=at_once))
    assert sorted(seen) == list(range(count))
    assert len(tasks) == most


@pytest.mark.parametrize("at_once", [1, 3])
async def test_the_first_error_of_each_ends_the_others(at_once: int) -> None:
    clock, begun = ManualClock(), list[int]()

    async def work(item: int) -> None:
        begun.append(item)
        await clock.sleep(float(item))
        raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        await clock.drive(each([1, 2, 3, 4], work, at_once=at_once))
    assert begun == [1, 2, 3][:at_once]


@pytest.mark.asyncio
async def test_work_that_is_cancelled_from_within_is_no_end() -> None:
    """A task group takes the cancellation of a task for its own, and drops what is left."""

    async def break_off(item: int) -> None:
        if item == 1:
            raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled from within"):
        await each([0, 1, 2, 3], break_off, at_once=2)

    async def items() -> AsyncIterator[int]:
        for item in range(4):
            yield item

    async def fetch(item: int) -> tuple[int, int]:
        await break_off(item)
        return item, 1

    async def emit(_item: int) -> None:
        """Takes them all."""

    lane = Lane(Budget(100), 10)
    with pytest.raises(RuntimeError, match="cancelled from within"):
        await ordered(items(), fetch, emit, lane=lane, estimate=lambda _: 1, ahead=2)
