"""Work that a cancelled caller still finishes, within its grace, whoever cancels and how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.shield import finish

pytestmark = pytest.mark.unit


class Work:
    """Waits until it is let go; says how it ended."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go = anyio.Event()
        self.ended = ""

    async def __call__(self, error: Exception | None = None) -> str:
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        if error is not None:
            raise error
        return "value"


def caller(work: Work, grace: float, error: Exception | None = None) -> asyncio.Task[str]:
    async def call() -> str:
        return await finish(work.__call__, error, grace_seconds=lambda: grace)

    return asyncio.create_task(call())


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await SYSTEM_CLOCK.sleep(0)


@pytest.mark.asyncio
async def test_uncancelled_it_is_a_plain_call() -> None:
    work = Work()
    work.go.set()
    assert await caller(work, 10) == "value"
    with pytest.raises(ZeroDivisionError):
        await caller(work, 10, ZeroDivisionError())


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [None, ZeroDivisionError("hidden by the cancellation")])
async def test_cancelled_it_is_finished_first_and_the_cancellation_wins(
    error: Exception | None,
) -> None:
    work = Work()
    task = caller(work, 10, error)
    await work.begun.wait()
    for _ in range(3):  # whoever cancels again changes nothing
        task.cancel()
        await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "done"


@pytest.mark.asyncio
async def test_past_its_grace_the_work_is_cancelled_and_waited_for() -> None:
    work = Work()
    before = asyncio.all_tasks()
    task = caller(work, 0.01)
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "cancelled"
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
async def test_in_a_scope_that_is_cancelled_it_is_finished_too() -> None:
    work = Work()
    before = asyncio.all_tasks()
    reached = False
    with anyio.CancelScope() as scope:
        scope.cancel()
        asyncio.get_running_loop().call_later(0.01, work.go.set)
        await finish(work.__call__, grace_seconds=lambda: 10.0)
        reached = True
    assert scope.cancelled_caught
    assert not reached
    assert work.ended == "done"
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
async def test_the_grace_is_asked_for_when_the_cancellation_comes() -> None:
    grace = 10.0
    now: Callable[[], float] = lambda: grace  # noqa: E731
    work = Work()

    async def call() -> None:
        await finish(work.__call__, grace_seconds=now)

    task = asyncio.create_task(call())
    await work.begun.wait()
    grace = 0.0
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert work.ended == "cancelled"
