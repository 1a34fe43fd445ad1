"""Tasks side by side, and the one error of theirs."""

from __future__ import annotations

import asyncio

import pytest

from bronze_engine.flow import each, single
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


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


async def test_work_that_is_cancelled_from_within_is_no_end() -> None:
    """A task group takes the cancellation of a task for its own, and drops what is left."""

    async def break_off(item: int) -> None:
        if item == 1:
            raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled from within"):
        await each([0, 1, 2, 3], break_off, at_once=2)
