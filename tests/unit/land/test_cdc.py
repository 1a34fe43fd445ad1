"""Changes land as they come, over the engine: counted by what they did, and recorded for Silver."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.errors import ExtractError, QualityError, SliceLost
from bronze_engine.model.changes import ChangeCounts, Changes
from bronze_engine.testing import ScriptedSource, Step, page
from tests.unit.run.harness import DAY, Bench, reports_of

pytestmark = pytest.mark.unit

CDC = (
    'load="cdc"',
    'primary_key=["id"]',
    'cdc.operation="op"',
    'cdc.order_by=["lsn"]',
    'incremental.cursor="lsn"',
    'incremental.cursor_type="integer"',
    "output.load_columns=false",
)


def change(lsn: int, operation: str | None, **more: Any) -> dict[str, Any]:
    return {"lsn": lsn, "op": operation, "id": lsn % 3, **more}


@pytest.mark.asyncio
async def test_changes_land_as_they_come_and_the_manifest_says_what_they_mean(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, *CDC)
    sent = [
        change(1, "c", name="a"),
        change(2, "u", name="b"),
        change(3, "d", name=None),
        change(4, "u", name="c"),
    ]
    manifest = await bench.run(ScriptedSource([[page(1, *sent[:2])], [page(2, *sent[2:])]]))
    assert (await bench.table()).to_pylist() == sent
    assert manifest.cdc == Changes(
        operation="op",
        insert=("I", "c", "r", "insert"),
        update=("U", "u", "update"),
        delete=("D", "d", "delete"),
        order_by=("lsn",),
        counts=ChangeCounts(inserts=1, updates=2, deletes=1),
    )
    [report] = await reports_of(bench.store)
    assert report["changes"] == {"inserts": 1, "updates": 2, "deletes": 1}


@pytest.mark.asyncio
async def test_the_next_date_goes_on_in_the_same_epoch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC)
    await bench.run(ScriptedSource([[page(1, change(1, "c"), change(2, "c"))]]))
    day = date(2025, 1, 16)
    source = ScriptedSource([[page(1, change(2, "c"), change(3, "u"))]])
    manifest = await bench.run(source, day)
    assert (await bench.table(day)).to_pylist() == [change(3, "u")]
    assert (manifest.epoch, source.requests[0].low) == (1, "2")
    assert manifest.cdc is not None
    assert manifest.cdc.counts == ChangeCounts(updates=1)


@pytest.mark.asyncio
async def test_changes_without_a_code_go_to_the_quarantine(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC, "quality.max_bad_rows=2")
    sent = [change(1, "c"), change(2, None), change(3, "x"), change(4, "d")]
    manifest = await bench.run(ScriptedSource([[page(1, *sent)]]))
    assert (manifest.row_count, manifest.rejected_count) == (2, 2)
    assert len(manifest.quarantine) == 1


@pytest.mark.asyncio
async def test_only_what_lands_is_counted(tmp_path: Path) -> None:
    rule = 'quality.rules=[{rule="not_null", column="name"}]'
    bench = Bench(tmp_path, *CDC, rule, "quality.max_bad_rows=2")
    sent = [change(1, "c", name="a"), change(2, "u", name=None), change(3, "d", name="b")]
    manifest = await bench.run(ScriptedSource([[page(1, *sent)]]))
    assert manifest.row_count == 2
    assert manifest.cdc is not None
    assert manifest.cdc.counts == ChangeCounts(inserts=1, deletes=1)


@pytest.mark.asyncio
async def test_an_order_by_that_is_misspelt_commits_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC, 'cdc.order_by=["lns"]')
    with pytest.raises(QualityError, match="no record has such a column; did you mean 'lsn'"):
        await bench.run(ScriptedSource([[page(1, change(1, "c"))]]))
    assert await bench.manifest() is None


@pytest.mark.asyncio
async def test_batches_are_judged_as_runs_are(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC)
    async with (
        bench.engine(ScriptedSource([[page(1, change(1, "x"))]])) as engine,
        engine.batches("team.orders", run_date=DAY) as stream,
    ):
        with pytest.raises(QualityError, match="op is 'x'"):
            await anext(aiter(stream))


@pytest.mark.asyncio
async def test_a_resumed_run_counts_all_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC)
    slices: list[list[Step]] = [[page(1, change(1, "c"))], [page(1, change(2, "d"))]]
    cut = ScriptedSource([slices[0], [ExtractError("cut")]], chained=True, token="t")
    with pytest.raises(ExtractError):
        await bench.run(cut)
    rest = ScriptedSource(slices, chained=True, token="t")
    manifest = await bench.run(rest)
    assert rest.emitted == 1
    assert manifest.cdc is not None
    assert manifest.cdc.counts == ChangeCounts(inserts=1, deletes=1)


@pytest.mark.asyncio
async def test_a_slice_that_is_read_again_counts_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *CDC)
    first = page(1, change(1, "c"))
    source = ScriptedSource([[first, SliceLost("gone")]], rereads=[[[first]]])
    manifest = await bench.run(source)
    assert manifest.cdc is not None
    assert manifest.cdc.counts == ChangeCounts(inserts=1)
