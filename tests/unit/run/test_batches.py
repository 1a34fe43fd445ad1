"""The batch stream: order, backpressure, errors in their turn, and nothing left when closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import ExtractError, QualityError, SliceLost, SnapshotLost
from bronze_engine.run.stream import BatchStream
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, NAME, config_of, cut_groups, is_idle, left_in, opened

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_groups(monkeypatch, 1)


def pages(count: int, start: int = 0) -> list[Step]:
    return [page(start + number + 1, {"id": start + number}) for number in range(count)]


@asynccontextmanager
async def streaming(
    folder: Path, source: ScriptedSource, *overrides: str
) -> AsyncIterator[tuple[Engine, BatchStream]]:
    """A stream that is not entered yet; afterwards nothing of it may be left."""
    store = MemoryStore()
    tasks = asyncio.all_tasks()
    threads = threading.active_count()
    config = config_of(*overrides, folder=folder)
    async with opened(config, source, store=store, clock=SYSTEM_CLOCK) as engine:
        yield engine, engine.batches(NAME, run_date=DAY)
        assert asyncio.all_tasks() == tasks
        assert is_idle(engine)
        assert source.opened == 0
    assert threading.active_count() == threads
    assert await left_in(store) == []


async def drain(stream: BatchStream, into: list[int]) -> list[int]:
    async for batch in stream:
        into.extend(row["id"] for row in batch.to_pylist())
    return into


@pytest.mark.asyncio
async def test_batches_come_in_order_over_all_slices(tmp_path: Path) -> None:
    source = ScriptedSource([pages(5), pages(5, 5), []], chained=True)
    async with streaming(tmp_path, source) as (_, stream), stream:
        assert await drain(stream, []) == list(range(10))
        assert await drain(stream, []) == []  # over is over


@pytest.mark.asyncio
async def test_a_stream_must_be_entered(tmp_path: Path) -> None:
    async with streaming(tmp_path, ScriptedSource([pages(1)])) as (_, stream):
        with pytest.raises(RuntimeError, match="enter the stream first"):
            await anext(stream)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("last", "error"),
    [
        (ExtractError("cut off"), ExtractError),
        (page(9, b"{"), QualityError),
        (SliceLost("shifted"), ExtractError),
        (SnapshotLost("gone"), ExtractError),
        (ZeroDivisionError("a fault of ours"), ZeroDivisionError),
    ],
    ids=repr,
)
async def test_an_error_comes_after_every_batch_before_it(
    tmp_path: Path, last: Step, error: type[Exception]
) -> None:
    got: list[int] = []
    async with streaming(tmp_path, ScriptedSource([[*pages(8), last]])) as (_, stream), stream:
        with pytest.raises(error):
            await drain(stream, got)
        assert got == list(range(8))
        with pytest.raises(error):
            await anext(stream)


@pytest.mark.asyncio
async def test_a_share_of_bad_records_is_judged_at_the_end(tmp_path: Path) -> None:
    source = ScriptedSource([[*pages(3), page(4, b"{"), *pages(2, 4)]])
    got: list[int] = []
    async with streaming(tmp_path, source, "quality.max_bad_ratio=0.1") as (_, stream), stream:
        with pytest.raises(QualityError):
            await drain(stream, got)
    assert got == [0, 1, 2, 4, 5]


@pytest.mark.asyncio
async def test_the_source_stops_while_nobody_takes(tmp_path: Path) -> None:
    source = ScriptedSource([pages(500)])
    clock = ManualClock()
    config = config_of(folder=tmp_path)
    async with (
        opened(config, source, store=MemoryStore(clock), clock=clock) as engine,
        engine.batches(NAME, run_date=DAY) as stream,
    ):
        await anext(stream)
        await settled(source)
        ahead = source.emitted
        assert ahead < 40
        for _ in range(10):
            await anext(stream)
        await settled(source)
        assert source.emitted == ahead + 10


async def settled(source: ScriptedSource) -> None:
    """Until the source has emitted nothing for a fifth of a second."""
    quiet, seen = 0, -1
    while quiet < 200:
        await SYSTEM_CLOCK.sleep(0.001)
        quiet = quiet + 1 if source.emitted == seen else 0
        seen = source.emitted


@pytest.mark.asyncio
async def test_a_consumer_may_stop_early(tmp_path: Path) -> None:
    async with streaming(tmp_path, ScriptedSource([pages(200)])) as (_, stream):
        async with stream:
            async for _batch in stream:
                break
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@pytest.mark.asyncio
async def test_closing_twice_and_from_another_task_ends_the_iteration(tmp_path: Path) -> None:
    source = ScriptedSource([[*pages(3), Pause(3600), *pages(3)]])
    async with streaming(tmp_path, source) as (_, stream):
        await stream.__aenter__()
        got: list[int] = []
        consumer = asyncio.create_task(drain(stream, got))
        while len(got) < 3:
            await SYSTEM_CLOCK.sleep(0.001)
        await asyncio.gather(stream.aclose(), stream.aclose())
        assert await consumer == [0, 1, 2]
        await stream.aclose()


@pytest.mark.asyncio
async def test_closing_before_the_first_turn_ends_the_iteration(tmp_path: Path) -> None:
    async with streaming(tmp_path, ScriptedSource([pages(9)])) as (_, stream):
        await stream.__aenter__()
        await stream.aclose()
        assert await drain(stream, []) == []


@pytest.mark.asyncio
async def test_closing_before_entering_is_nothing(tmp_path: Path) -> None:
    async with streaming(tmp_path, ScriptedSource([pages(1)])) as (_, stream):
        await stream.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_cancelled_at_any_turn_it_leaves_nothing(tmp_path: Path, style: str) -> None:
    """After each number of turns of the loop, until the whole stream fits into them."""
    turns, got = 0, [0]
    while len(got) < 12:
        source = ScriptedSource([pages(6), pages(6, 6)])
        async with streaming(tmp_path, source) as (_, stream):
            got = []
            scope = anyio.CancelScope()

            async def consume() -> None:
                with scope:  # noqa: B023  # this turn's
                    async with stream:
                        await drain(stream, got)  # noqa: B023

            task = asyncio.create_task(consume())
            for _ in range(turns):
                await SYSTEM_CLOCK.sleep(0)
            if style == "scope":
                scope.cancel()
            else:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert got == list(range(len(got)))
        turns += 1 + turns // 4


@pytest.mark.asyncio
async def test_a_second_cancel_while_closing_waits_for_the_end_all_the_same(
    tmp_path: Path,
) -> None:
    source = ScriptedSource([pages(100)])
    async with streaming(tmp_path, source) as (_, stream):
        await stream.__aenter__()
        await anext(stream)
        closing = asyncio.create_task(stream.aclose())
        await SYSTEM_CLOCK.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert source.opened == 0


@pytest.mark.asyncio
async def test_rules_act_as_in_a_run(tmp_path: Path) -> None:
    rules = (
        'quality.rules=[{rule = "range", column = "id", max = 2}, {rule = "row_count", min = 3}]'
    )
    source = ScriptedSource([pages(3), [page(4, {"id": 9})]])
    async with streaming(tmp_path, source, rules, "quality.max_bad_rows=1") as (_, stream), stream:
        assert await drain(stream, []) == [0, 1, 2]
    source = ScriptedSource([pages(2)])
    async with streaming(tmp_path, source, rules) as (_, stream):
        ids: list[int] = []
        async with stream:
            with pytest.raises(QualityError, match="row_count: 2 rows; at least 3 is wanted"):
                await drain(stream, ids)
        assert ids == [0, 1]
