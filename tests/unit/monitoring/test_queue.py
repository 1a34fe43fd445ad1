"""A slow consumer's queue: bounded, gathered, drained within a bound, never in the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from bronze_engine.monitoring.queue import open_queue
from bronze_engine.testing.clock import ManualClock

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_items_come_in_order_and_what_is_queued_is_taken_on_leaving() -> None:
    seen: list[int] = []

    async def take(items: Sequence[int]) -> None:
        seen.extend(items)

    async with open_queue(take, name="test", clock=ManualClock()) as queue:
        for number in range(5):
            queue.put(number)
        assert seen == []
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.asyncio
async def test_between_two_calls_lies_the_interval_and_what_comes_meanwhile_comes_together() -> (
    None
):
    clock = ManualClock()
    calls: list[tuple[float, list[int]]] = []

    async def take(items: Sequence[int]) -> None:
        calls.append((clock.monotonic(), list(items)))

    async with open_queue(take, name="test", clock=clock, interval_seconds=10) as queue:
        queue.put(1)
        await clock.settle()
        queue.put(2)
        queue.put(3)
        await clock.advance(9)
        assert calls == [(0.0, [1])]
        await clock.advance(1)
        queue.put(4)
    assert calls == [(0.0, [1]), (10.0, [2, 3]), (10.0, [4])]


@pytest.mark.asyncio
async def test_a_full_queue_loses_its_oldest_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    async def take(items: Sequence[int]) -> None:
        seen.extend(items)

    with caplog.at_level(logging.WARNING):
        async with open_queue(take, name="the hook", clock=ManualClock(), capacity=3) as queue:
            for number in range(5):
                queue.put(number)
    assert seen == [2, 3, 4]
    assert "the hook: 2 items came too fast and were lost" in caplog.text


@pytest.mark.asyncio
async def test_a_consumer_that_fails_is_called_again(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    clock = ManualClock()

    async def take(items: Sequence[int]) -> None:
        if 1 in items:
            raise RuntimeError("no")
        seen.extend(items)

    async with open_queue(take, name="the hook", clock=clock) as queue:
        queue.put(1)
        await clock.settle()
        queue.put(2)
    assert seen == [2]
    assert "the hook: 1 items were not taken" in caplog.text


@pytest.mark.asyncio
async def test_a_consumer_that_hangs_is_waited_for_within_the_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    ended: list[str] = []

    async def take(_items: Sequence[int]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def use() -> None:
        async with open_queue(take, name="the hook", clock=clock, grace_seconds=lambda: 2) as queue:
            queue.put(1)
            await asyncio.sleep(0)  # noqa: TID251  # one turn of the loop

    using = asyncio.create_task(use())
    await clock.settle()
    await clock.advance(2)
    await using
    assert ended == ["cancelled"]
    assert "the hook: not done in time" in caplog.text
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio
async def test_cancelled_while_it_is_left_it_still_hands_on_what_is_queued() -> None:
    seen: list[int] = []
    may_go = asyncio.Event()

    async def take(items: Sequence[int]) -> None:
        await may_go.wait()
        seen.extend(items)

    async def use() -> None:
        async with open_queue(take, name="test") as queue:
            queue.put(1)

    task = asyncio.create_task(use())
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251  # turns of the loop
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251
    may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [1]
    assert len(asyncio.all_tasks()) == 1
