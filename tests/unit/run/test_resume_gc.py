"""What a run has landed that was broken off is spared by gc, and then it is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.part import ANY
from bronze_engine.publish.names import data_name
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource, page
from bronze_engine.testing.sources import Step
from bronze_engine.testing.stores import stage_bytes, staged_keys
from tests.unit.run.harness import DAY, NAME, Bench, opened, partition_of, unowned

pytestmark = pytest.mark.unit

CHECKPOINT = "_state/team/orders.dt=2025-01-15.checkpoint"
WHOLE: list[list[Step]] = [[page(1, {"id": index}), page(2, b"{")] for index in range(4)]
BROKEN: list[list[Step]] = [*WHOLE[:2], [*WHOLE[2], ExtractError("cut off")], *WHOLE[3:]]
LIMITS = ("quality.max_bad_rows=10",)


async def broken_off(folder: Path) -> tuple[Bench, ManualClock]:
    clock = ManualClock()
    bench = Bench(folder, *LIMITS, store=MemoryStore(clock))
    with pytest.raises(ExtractError):
        await bench.run(ScriptedSource(BROKEN, token="t"))
    return bench, clock


async def gc(bench: Bench, *, delete: bool) -> GcReport:
    clock = ManualClock()
    async with opened(bench.config, None, store=bench.store, clock=clock) as engine:
        return await clock.drive(engine.gc(NAME, delete=delete))


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_what_can_be_resumed_is_spared(tmp_path: Path, delete: bool) -> None:
    bench, clock = await broken_off(tmp_path)
    # Left by another run of the generation: no fence can tell it from what is spared.
    other = f"{partition_of()}/{data_name(generation=1, run='r9', slice=0, number=0)}"
    await stage_bytes(bench.store, other, b"dead")
    before = await bench.left()
    await clock.advance(5 * 3600.0)
    report = await gc(bench, delete=delete)
    assert (report.garbage, report.fenced) == ((), ())
    (skipped,) = report.skipped
    assert skipped.place == partition_of()
    assert "has landed 2 slices of it, and can be resumed until 2025-01-15T06:00:00Z" in (
        skipped.reason
    )
    assert await bench.left() == before
    again = ScriptedSource(WHOLE, token="t")
    manifest = await bench.run(again)
    assert again.read == [2, 3]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_when_it_can_no_longer_be_resumed_all_of_it_is_garbage(tmp_path: Path) -> None:
    bench, clock = await broken_off(tmp_path)
    assert await staged_keys(bench.store) != []
    await clock.advance(7 * 3600.0)
    looked = await gc(bench, delete=False)
    report = await gc(bench, delete=True)
    assert {each.kind for each in report.garbage} == {"staged", "rejected", "checkpoint"}
    assert [(each.kind, each.key) for each in looked.garbage] == [
        (each.kind, each.key) for each in report.garbage
    ]
    assert all(each.removed for each in report.garbage)
    assert len(report.fenced) == 1
    manifest = await bench.manifest()
    assert manifest is not None
    assert manifest.status == "void"
    left = unowned(await bench.left(), manifest)
    assert left == []
    assert (await gc(bench, delete=True)).garbage == ()


@pytest.mark.asyncio
async def test_a_commit_since_makes_a_checkpoint_garbage(tmp_path: Path) -> None:
    bench, _ = await broken_off(tmp_path)
    checkpoint = await bench.store.get(CHECKPOINT)
    assert checkpoint is not None
    await bench.run(ScriptedSource(WHOLE), resume=False)
    await bench.store.put(CHECKPOINT, checkpoint.body, expect=ANY)
    report = await gc(bench, delete=True)
    assert [(each.kind, each.removed) for each in report.garbage] == [("checkpoint", True)]
    assert report.fenced == ()
    assert unowned(await bench.left(), await bench.manifest()) == []


@pytest.mark.asyncio
async def test_other_dates_are_collected_all_the_same(tmp_path: Path) -> None:
    bench, _ = await broken_off(tmp_path)
    next_day = DAY + timedelta(days=1)
    dead = f"{partition_of(next_day)}/{data_name(generation=1, run='r9', slice=0, number=0)}"
    await bench.store.put(dead, b"dead", expect=ANY)
    report = await gc(bench, delete=True)
    assert [each.key for each in report.garbage] == [dead]
    assert await bench.store.get(CHECKPOINT) is not None
