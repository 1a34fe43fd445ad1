"""The history is read in as many pieces as it shows, however long the entity lives."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.model.manifest import Lineage
from bronze_engine.model.part import StoredObject
from bronze_engine.model.report import RunReport
from bronze_engine.state import reports
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.upkeep.history import History
from tests.unit.run.harness import DAY, NAME, Bench
from tests.unit.state.test_partitions import commit, manifest_of

pytestmark = pytest.mark.unit

START = datetime(2025, 1, 1, tzinfo=UTC)


def report_of(number: int, day: date) -> RunReport:
    return RunReport(
        pipeline=NAME,
        system="team",
        entity="orders",
        run_date=day,
        run=f"r{number:03}",
        attempt="a",
        status="committed",
        generation=1,
        partition="memory",
        started_at=START + timedelta(hours=number),
        seconds=1.0,
    )


async def history_of(bench: Bench, day: date | None = None, *, limit: int = 20) -> History:
    async with bench.engine(ScriptedSource([])) as engine:
        return await engine.history(NAME, run_date=day, limit=limit)


class Counted(FaultyStore):
    """Counts what is read whole."""

    gets = 0

    async def get(self, key: str, /) -> StoredObject | None:
        self.gets += 1
        return await super().get(key)


@pytest.mark.asyncio
async def test_of_many_runs_only_those_shown_are_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    clock = ManualClock()
    bench.store = store = Counted(MemoryStore(clock), Script())
    for number in range(60):
        day = DAY + timedelta(days=number)
        manifest = msgspec.structs.replace(
            manifest_of(day),
            pipeline=NAME,
            system="team",
            run=f"r{number:03}",
            lineage=(Lineage(run=f"r{number:03}", attempt="a", generation=1),),
        )
        await commit(store, manifest)
        assert await reports.write(store, report_of(number, day)) == ()
        await clock.advance(1)
    store.gets = 0
    found = await history_of(bench, limit=5)
    assert [each.run for each in found.runs] == [f"r{number:03}" for number in range(59, 54, -1)]
    assert all(each.is_current and each.has_report for each in found.runs)
    assert store.gets == 10  # five reports, five manifests
    store.gets = 0
    (only,) = (await history_of(bench, DAY)).runs
    assert (only.run, store.gets) == ("r000", 2)


@pytest.mark.asyncio
async def test_runs_of_all_kinds_are_told_apart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([[page(1, {"id": 1})]]))
    with pytest.raises(ExtractError):
        await bench.run(ScriptedSource([[ExtractError("cut off")]]))
    await bench.run(ScriptedSource([[page(1, {"id": 1}, {"id": 2})]]))
    found = await history_of(bench)
    told = sorted((each.status, each.generation or 0, each.rows or 0) for each in found.runs)
    assert told == [("committed", 1, 1), ("committed", 2, 2), ("failed", 0, 0)]
    failed = next(each for each in found.runs if each.status == "failed")
    assert (failed.code, failed.error) == ("EXT001", "EXT001 cut off")
    current = [each.generation for each in found.runs if each.is_current]
    assert current == [2]


@pytest.mark.asyncio
async def test_a_commit_whose_report_is_not_read_comes_before_no_run_that_is(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    clock = ManualClock()
    bench.store = store = MemoryStore(clock)
    for number, status in enumerate(("committed", "failed", "committed", "failed")):
        failed = msgspec.structs.replace(report_of(number, DAY), status=status, generation=None)
        assert await reports.write(store, failed) == ()
        await clock.advance(1)
    manifest = msgspec.structs.replace(
        manifest_of(DAY),
        pipeline=NAME,
        system="team",
        run="r002",
        generation=2,
        written_at=START + timedelta(hours=2, minutes=1),
        lineage=(
            Lineage(run="r002", attempt="a", generation=2),
            Lineage(run="r000", attempt="a", generation=1),
        ),
    )
    await commit(store, manifest)
    runs = [each.run for each in (await history_of(bench)).runs]
    assert runs == ["r003", "r002", "r001", "r000"]
    for limit in (1, 2, 3, 4):
        found = await history_of(bench, limit=limit)
        assert [each.run for each in found.runs] == runs[:limit]


@pytest.mark.asyncio
@pytest.mark.parametrize("run", ["gc-1", "fence-1"])
async def test_a_commit_that_keeps_a_dead_run_out_is_a_fence(tmp_path: Path, run: str) -> None:
    bench = Bench(tmp_path)
    manifest = await bench.run(ScriptedSource([[page(1, {"id": 1})]]))
    fence = Lineage(run=run, attempt="b", generation=2)
    fenced = msgspec.structs.replace(
        manifest, run=run, generation=2, lineage=(fence, *manifest.lineage)
    )
    await commit(bench.store, fenced)
    newest, before = (await history_of(bench)).runs
    assert (newest.status, newest.rows, newest.is_current) == ("fence", 1, True)
    assert (before.status, before.generation, before.is_current) == ("committed", 1, False)
