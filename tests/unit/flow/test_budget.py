"""Who is granted bytes, and when: lanes in the order of their asking, runs all or nothing."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from bronze_engine.flow import Budget, Lane
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

PAGE = 100


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
