from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import anyio.lowlevel
import pytest

from bronze_engine.errors import QualityError
from bronze_engine.limits.trial import Purse
from bronze_engine.model.block import Block
from bronze_engine.run.trial import Trial, TrialBounds
from bronze_engine.telemetry.events import RunFinished, RunStarted
from bronze_engine.testing import ManualClock
from bronze_engine.testing.sources import Pause, ScriptedSource
from tests.unit.run.harness import DAY, NAME, Bench, is_idle

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

BOUNDS = TrialBounds(seconds=5.0, requests=100)


def pages(number: int, *, records: int = 10) -> list[Block]:
    line = b'{"id": 1, "name": "n"}\n'
    return [Block(data=line * records, records=records, page=page + 1) for page in range(number)]


def slow(blocks: Sequence[Block], seconds: float) -> list[Block | Pause]:
    return [step for block in blocks for step in (Pause(seconds), block)]


async def tried(bench: Bench, source: ScriptedSource, bounds: TrialBounds = BOUNDS) -> Trial:
    clock = ManualClock()
    async with bench.engine(source, clock=clock) as engine:
        pipeline = engine.config.pipeline(NAME)
        trial: Trial = await clock.drive(
            engine.trial(pipeline, run_date=DAY, bounds=bounds, purse=Purse(100))
        )
        assert is_idle(engine)
    return trial


async def test_a_trial_reads_everything_and_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    trial = await tried(bench, ScriptedSource([pages(3), pages(2)]))
    assert (trial.rows, trial.pages, trial.is_whole) == (50, 5, True)
    assert trial.bytes_out > 0  # files were staged
    assert await bench.left() == []
    assert not [each for each in bench.events if isinstance(each, RunStarted | RunFinished)]


async def test_it_ends_after_its_seconds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    trial = await tried(bench, ScriptedSource([slow(pages(100), 1.0)]))
    assert (trial.rows, trial.seconds) == (60, 5.0)  # the first page begins it
    assert trial.rows_per_second == 10.0  # of the fifty after the first
    assert not trial.is_whole
    assert await bench.left() == []


async def test_it_ends_after_its_rows_and_begins_no_other_slice(tmp_path: Path) -> None:
    source = ScriptedSource([pages(100), pages(100)])
    bounds = TrialBounds(seconds=5.0, requests=100, rows=35)
    trial = await tried(Bench(tmp_path), source, bounds)
    assert trial.rows == 40
    assert source.read == [0]


async def test_slices_that_a_run_reads_side_by_side_are(tmp_path: Path) -> None:
    scripts = [slow(pages(3), 1.0) for _ in range(2)]
    trial = await tried(Bench(tmp_path), ScriptedSource(scripts, slices_at_once=2))
    assert (trial.rows, trial.seconds) == (60, 2.0)


async def test_what_stands_is_neither_touched_nor_changed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([pages(1)]))
    before = await bench.left()
    await tried(bench, ScriptedSource([pages(3)]))
    assert await bench.left() == before


async def test_cancelled_it_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.row_group_rows=10", "output.max_rows_per_file=10")
    source = ScriptedSource([[*pages(20), Pause(60), *pages(1)]])
    clock = ManualClock()
    async with bench.engine(source, clock=clock) as engine:
        pipeline = engine.config.pipeline(NAME)
        bounds = TrialBounds(seconds=600.0, requests=100)
        task = asyncio.create_task(
            engine.trial(pipeline, run_date=DAY, bounds=bounds, purse=Purse(100))
        )
        while source.emitted < 20:
            await anyio.lowlevel.checkpoint()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_idle(engine)
    assert source.opened == 0
    assert await bench.left() == []


async def test_what_fails_a_run_fails_a_trial(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    broken = Block(data=b'{"id": \n', records=1, page=1)
    with pytest.raises(QualityError):
        await tried(bench, ScriptedSource([[broken]]))
