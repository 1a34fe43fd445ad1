"""What a run has set aside, lent while it has no rows, and had again before its first one."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from bronze_engine.flow import Budget, Reservation
from bronze_engine.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_what_is_lent_is_anothers_until_the_first_row() -> None:
    budget, clock = Budget(100), ManualClock()
    log: list[str] = []

    async def lender() -> None:
        async with budget.reserve(80, lendable_bytes=70) as memory:
            assert memory.lend()
            assert budget.reserved_bytes == 10
            await clock.sleep(1.0)
            log.append("asks")
            await memory.use()
            log.append(f"has {memory.held_bytes} of {budget.reserved_bytes}")
            assert not memory.lend()

    async def other() -> None:
        async with budget.reserve(80):
            log.append(f"other has its own: {budget.reserved_bytes}")
            await clock.sleep(5.0)
        log.append("other ends")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lender)
        await clock.settle()
        tasks.start_soon(other)
        await clock.advance(10.0)
    assert log == ["other has its own: 90", "asks", "other ends", "has 80 of 80"]
    assert budget.reserved_bytes == 0


async def test_what_was_never_lent_is_there_at_once() -> None:
    budget = Budget(100)
    async with budget.reserve(100, lendable_bytes=90) as memory:
        await memory.use()
        await memory.use()
        assert not memory.lend()
        assert budget.reserved_bytes == 100
    assert budget.reserved_bytes == 0


async def test_no_more_is_lent_than_an_admission_may_pass_the_limit_by() -> None:
    budget = Budget(48)
    async with (
        budget.reserve(20, lendable_bytes=12) as one,
        budget.reserve(20, lendable_bytes=12) as other,
    ):
        assert one.lend()
        assert not other.lend()
        assert budget.reserved_bytes == 28
        await one.use()
        assert other.lend()


async def test_lenders_alone_keep_nobody_waiting() -> None:
    """Or two lenders, each of which needs all of the rest, would wait for each other for ever."""
    budget, clock = Budget(160), ManualClock()
    done: list[str] = []

    async def lender(name: str) -> None:
        async with budget.reserve(155, lendable_bytes=145) as memory:
            assert memory.lend()
            await clock.sleep(1.0)
            await memory.use()
            assert budget.reserved_bytes <= 160 + 20
            await clock.sleep(1.0)
            done.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lender, "a")
        tasks.start_soon(lender, "b")
        await clock.advance(10.0)
    assert done == ["a", "b"]
    assert budget.reserved_bytes == 0


@pytest.mark.parametrize("after", [0.0, 1.0, 2.0, 3.0])
async def test_cancelled_at_any_time_nothing_stays_set_aside(after: float) -> None:
    budget, clock = Budget(100), ManualClock()
    held: list[Reservation] = []

    async def lender() -> None:
        async with budget.reserve(80, lendable_bytes=70) as memory:
            held.append(memory)
            memory.lend()
            await clock.sleep(1.5)
            await memory.use()
            await clock.sleep(10.0)

    async def other() -> None:
        async with budget.reserve(80):
            await clock.sleep(2.5)

    first = asyncio.create_task(lender())
    await clock.settle()
    second = asyncio.create_task(other())
    await clock.advance(after)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await clock.drive(second)  # type: ignore[arg-type]  # a task is awaitable
    assert budget.reserved_bytes == 0
    async with budget.reserve(100):
        assert budget.reserved_bytes == 100
