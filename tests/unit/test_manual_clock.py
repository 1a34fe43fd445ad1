from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from bronze_engine.clock import Clock
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def woken_at(clock: Clock, seconds: float, log: list[tuple[str, float]], name: str) -> None:
    await clock.sleep(seconds)
    log.append((name, clock.monotonic()))


async def test_step_wakes_exactly_what_waits_for_the_earliest_instant() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []
    async with anyio.create_task_group() as tasks:
        for name, seconds in (("late", 3.0), ("a", 1.0), ("b", 1.0)):
            tasks.start_soon(woken_at, clock, seconds, log, name)
        await clock.step()
        assert log == [("a", 1.0), ("b", 1.0)]
        assert [w.until for w in clock.waiting] == [3.0]
        await clock.step()
        assert log[2:] == [("late", 3.0)]


async def test_advance_passes_through_each_instant_in_order() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []

    async def twice() -> None:
        await woken_at(clock, 1, log, "first")
        await woken_at(clock, 1, log, "second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(twice)
        tasks.start_soon(woken_at, clock, 1.5, log, "between")
        await clock.advance(2.25)
    assert log == [("first", 1.0), ("between", 1.5), ("second", 2.0)]
    assert clock.monotonic() == 2.25


async def test_advance_stops_short_of_a_later_instant() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(woken_at, clock, 2, log, "x")
        await clock.advance(1.5)
        assert log == []
        await clock.advance(0.5)
        assert log == [("x", 2.0)]


async def test_step_waits_until_something_sleeps() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []
    go = asyncio.Event()

    async def worker() -> None:
        await go.wait()
        await woken_at(clock, 5, log, "x")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker)
        tasks.start_soon(clock.step)
        await clock.settle()
        assert clock.monotonic() == 0
        go.set()
    assert log == [("x", 5.0)]


async def test_step_waits_for_a_thread_when_nothing_else_sleeps() -> None:
    clock = ManualClock()
    with ThreadPoolExecutor(1) as pool:

        async def worker() -> None:
            await asyncio.get_running_loop().run_in_executor(pool, sum, (1, 2))
            await clock.sleep(1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker)
            await clock.step()
    assert clock.monotonic() == 1


async def test_a_running_timeout_is_not_something_that_sleeps() -> None:
    clock = ManualClock()
    async with anyio.create_task_group() as tasks:
        gate = anyio.Event()

        async def reader() -> None:
            async with clock.timeout(60):
                await gate.wait()
            await clock.sleep(1)

        tasks.start_soon(reader)
        tasks.start_soon(clock.step)
        await clock.settle()
        assert clock.monotonic() == 0
        gate.set()
    assert clock.monotonic() == 1


async def test_now_moves_with_the_clock() -> None:
    start = datetime(2025, 3, 1, 12, tzinfo=UTC)
    clock = ManualClock(start=start)
    await clock.advance(90)
    assert clock.now() == start + timedelta(seconds=90)


async def test_uniform_takes_the_fractions_in_turn() -> None:
    clock = ManualClock(fractions=(0.0, 0.5, 1.0))
    assert [clock.uniform(1, 2) for _ in range(4)] == [1.0, 1.5, 2.0, 1.0]


async def test_sleep_of_zero_yields_without_moving() -> None:
    clock = ManualClock()
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await clock.sleep(0)
        await clock.sleep(-1)
        assert ran == ["other"]
    assert clock.monotonic() == 0


async def test_timeout_raises_at_its_instant() -> None:
    clock = ManualClock()

    async def late() -> float:
        with pytest.raises(TimeoutError):
            async with clock.timeout(2):
                await clock.sleep(10)
        return clock.monotonic()

    assert await clock.drive(late()) == 2.0
    assert clock.waiting == ()


async def test_timeout_in_time_leaves_nothing_behind() -> None:
    clock = ManualClock()

    async def quick() -> None:
        async with clock.timeout(5):
            await clock.sleep(1)

    await clock.drive(quick())
    assert clock.waiting == ()
    await clock.advance(10)


async def test_timeout_of_zero_ends_the_body_at_its_first_await() -> None:
    clock = ManualClock()
    with pytest.raises(TimeoutError):
        async with clock.timeout(0):
            await anyio.Event().wait()


@pytest.mark.parametrize(("inner", "outer", "caught"), [(1, 3, "inner"), (3, 1, "outer")])
async def test_nested_timeouts_end_the_right_body(inner: float, outer: float, caught: str) -> None:
    clock = ManualClock()
    seen: list[str] = []

    async def nested() -> None:
        try:
            async with clock.timeout(outer):
                try:
                    async with clock.timeout(inner):
                        await clock.sleep(10)
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")

    await clock.drive(nested())
    assert seen == [caught]
    assert clock.monotonic() == 1


async def test_timeout_passes_an_outer_cancellation_on() -> None:
    clock = ManualClock()
    after: list[str] = []
    with anyio.CancelScope() as scope:
        async with clock.timeout(5):
            scope.cancel()
            await anyio.Event().wait()
        after.append("reached")
    assert scope.cancelled_caught
    assert after == []
    assert clock.waiting == ()


async def test_timeout_passes_a_native_cancellation_on() -> None:
    clock = ManualClock()

    async def body() -> None:
        async with clock.timeout(5):
            await anyio.Event().wait()

    task = asyncio.create_task(body())
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.waiting == ()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(woken_at, clock, 7, log, "kept")
        async with anyio.create_task_group() as doomed:
            doomed.start_soon(woken_at, clock, 1, log, "gone")
            await clock.settle()
            doomed.cancel_scope.cancel()
        await clock.step()
    assert log == [("kept", 7.0)]


async def test_waiting_tells_what_waits_until_when() -> None:
    clock = ManualClock()

    async def body() -> None:
        async with clock.timeout(9):
            await clock.sleep(4)

    task = asyncio.create_task(body(), name="body")
    await clock.settle()
    assert [(w.until, w.kind, w.task) for w in clock.waiting] == [
        (4.0, "sleep", "body"),
        (9.0, "timeout", "body"),
    ]
    await clock.advance(4)
    await task


async def test_drive_returns_the_result_and_raises_the_error() -> None:
    clock = ManualClock()

    async def good() -> int:
        await clock.sleep(1)
        return 7

    async def bad() -> None:
        await clock.sleep(1)
        raise ValueError("x")

    assert await clock.drive(good()) == 7
    with pytest.raises(ValueError, match="x"):
        await clock.drive(bad())
    assert clock.monotonic() == 2
