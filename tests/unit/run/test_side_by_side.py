"""Slices that are read side by side: the order of the manifest, memory, losses and failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError, SliceLost, SnapshotLost
from bronze_engine.flow import Budget
from bronze_engine.land.slice import memory_bytes
from bronze_engine.run.seats import Seats
from bronze_engine.telemetry.events import RowsWritten
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, NAME, Bench, is_idle, unowned

pytestmark = pytest.mark.unit


def rows(first: int, count: int = 2) -> list[Step]:
    return [page(number, {"id": number}) for number in range(first, first + count)]


async def seconds_of(bench: Bench, source: ScriptedSource) -> float:
    """How long a run takes, on its own clock."""
    clock = ManualClock()
    began = clock.monotonic()
    async with bench.engine(source, clock=clock) as engine:
        await clock.drive(engine.run(NAME, run_date=DAY))
        assert is_idle(engine)
    return clock.monotonic() - began


@pytest.mark.asyncio
async def test_slices_wait_for_each_other_no_longer_and_keep_their_order(tmp_path: Path) -> None:
    script = [[Pause(60.0 - 10 * index), *rows(10 * index)] for index in range(4)]
    one, four = Bench(tmp_path), Bench(tmp_path)
    assert await seconds_of(one, ScriptedSource(script)) >= 60 + 50 + 40 + 30
    assert await seconds_of(four, ScriptedSource(script, slices_at_once=4)) < 90
    assert (await four.table())["id"].to_pylist() == [0, 1, 10, 11, 20, 21, 30, 31]
    first, second = await one.manifest(), await four.manifest()
    assert first is not None
    assert second is not None
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]


@pytest.mark.asyncio
async def test_a_slice_for_which_there_is_no_memory_waits_for_a_seat(tmp_path: Path) -> None:
    script = [[Pause(60.0), *rows(10 * index)] for index in range(4)]
    slice_bytes = memory_bytes(Bench(tmp_path).config.pipeline(NAME)) + 1024**2
    bench = Bench(tmp_path, f"engine.memory_limit={2 * slice_bytes + 1024**2}")
    seconds = await seconds_of(bench, ScriptedSource(script, slices_at_once=4))
    assert 120 <= seconds < 180
    assert len(await bench.table()) == 8


@pytest.mark.asyncio
async def test_a_lost_slice_is_counted_once(tmp_path: Path) -> None:
    lost: list[list[Step]] = [
        [*rows(0), page(3, b"{"), Pause(5), SliceLost("shifted")],
        [*rows(10), page(12, b"{"), Pause(10)],
    ]
    again: list[list[Step]] = [[*rows(0), page(3, b"{")], rows(10)]
    source = ScriptedSource(lost, rereads=[again], slices_at_once=2)
    bench = Bench(tmp_path, "quality.max_bad_rows=2", "output.row_group_rows=1")
    manifest = await bench.run(source)
    assert (manifest.row_count, manifest.rejected_count) == (4, 2)
    told = [event.rows for event in bench.events if isinstance(event, RowsWritten)]
    assert told[-1] == 4
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("failing", range(3))
async def test_a_failing_slice_ends_the_others_and_leaves_nothing(
    tmp_path: Path, failing: int
) -> None:
    script: list[list[Step]] = [[*rows(10 * index), Pause(60)] for index in range(3)]
    script[failing] = [*rows(0), Pause(1), ExtractError("cut off")]
    bench, clock = Bench(tmp_path), ManualClock()
    async with bench.engine(ScriptedSource(script, slices_at_once=2), clock=clock) as engine:
        with pytest.raises(ExtractError, match="cut off"):
            await clock.drive(engine.run(NAME, run_date=DAY))
        assert is_idle(engine)
    assert unowned(await bench.left(), None) == []


@pytest.mark.asyncio
async def test_a_lost_snapshot_starts_all_slices_over(tmp_path: Path) -> None:
    first: list[list[Step]] = [[*rows(0), Pause(60)], [*rows(10), Pause(1), SnapshotLost("gone")]]
    second: list[list[Step]] = [rows(0), rows(10)]
    bench = Bench(tmp_path)
    manifest = await bench.run(ScriptedSource(first, reopens=[second], slices_at_once=2))
    assert (await bench.table())["id"].to_pylist() == [0, 1, 10, 11]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_seats_beyond_the_first_are_taken_only_from_free_memory() -> None:
    budget = Budget(100)
    async with budget.reserve(40):
        with Seats(budget, 40, 5) as seats:
            await seats.take()
            await seats.take()
            assert budget.reserved_bytes == 80
            assert not budget.reserve_now(40)
            seats.give_back()
            assert budget.reserved_bytes == 40
            await seats.take()
        assert budget.reserved_bytes == 40
    assert budget.reserved_bytes == 0
