"""A quarantine that is replayed: what passes now lands beside what stands, the rest stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import QualityError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, NAME, Bench, unowned

pytestmark = pytest.mark.unit

SCRIPT: list[list[Step]] = [
    [page(1, {"id": 1, "n": 5}, b'{"id": 2,  "n": 50}')],
    [page(2, {"id": 3, "n": 500}, {"id": 4, "n": 1})],
]
LIMIT = "quality.max_bad_rows=3"


def at_most(most: int, *others: str) -> str:
    tables = [f'{{rule = "range", column = "n", max = {most}}}', *others]
    return f"quality.rules=[{', '.join(tables)}]"


async def mended(folder: Path, before: Bench, *overrides: str) -> Manifest:
    """Replay the quarantine with another configuration over the same store."""
    bench = Bench(folder, *overrides, store=before.store)
    clock = ManualClock()
    async with bench.engine(ScriptedSource([]), clock=clock) as engine:
        await clock.drive(engine.replay_quarantine(NAME, run_date=DAY))
    manifest = await bench.manifest()
    assert manifest is not None
    return manifest


@pytest.mark.asyncio
async def test_what_passes_now_lands_and_what_stands_is_not_touched(tmp_path: Path) -> None:
    bench = Bench(tmp_path, at_most(10), LIMIT)
    first = await bench.run(ScriptedSource(SCRIPT))
    assert (first.row_count, first.rejected_count) == (2, 2)
    second = await mended(tmp_path, bench, at_most(100), LIMIT)
    assert (second.generation, second.row_count, second.rejected_count) == (2, 3, 1)
    assert second.files[:2] == first.files
    assert (await bench.table())["id"].to_pylist() == [1, 4, 2]
    async with bench.engine(ScriptedSource([])) as engine:
        (left,) = (await engine.quarantine(NAME, run_date=DAY)).records
        assert (left.page, left.offset, left.record) == (2, 0, b'{"id":3,"n":500}')
        assert (await engine.verify(NAME, run_date=DAY)).ok
    assert unowned(await bench.left(), second) == []
    assert isinstance(second.quality, tuple)
    (result,) = second.quality
    assert (result.checked, result.failed, result.verdict) == (4, 1, "rejected")

    third = await mended(tmp_path, bench, at_most(1000), LIMIT)
    assert (third.row_count, third.rejected_count, third.quarantine) == (4, 0, ())
    with pytest.raises(StateError, match="has no record in quarantine"):
        await mended(tmp_path, bench, at_most(1000), LIMIT)


@pytest.mark.asyncio
async def test_past_the_limit_everything_stays_as_it_was(tmp_path: Path) -> None:
    bench = Bench(tmp_path, at_most(10), LIMIT)
    await bench.run(ScriptedSource(SCRIPT))
    before = await bench.left()
    with pytest.raises(QualityError, match="1 records were rejected"):
        await mended(tmp_path, bench, at_most(100))
    after = await bench.left()
    assert [key for key in after if "_runs/" not in key] == [
        key for key in before if "_runs/" not in key
    ]


@pytest.mark.asyncio
async def test_rules_know_the_rows_that_stand(tmp_path: Path) -> None:
    unique = '{rule = "unique", column = "id"}'
    count = '{rule = "row_count", min = 3}'
    bench = Bench(tmp_path, at_most(10), LIMIT)
    again: list[list[Step]] = [[page(1, {"id": 1, "n": 5}, {"id": 1, "n": 50}, {"id": 2, "n": 50})]]
    await bench.run(ScriptedSource(again))
    with pytest.raises(QualityError, match="row_count: 2 rows; at least 3 is wanted"):
        await mended(tmp_path, bench, at_most(100, unique, count), LIMIT)
    manifest = await mended(tmp_path, bench, at_most(100, unique), LIMIT)
    assert (await bench.table())["id"].to_pylist() == [1, 2]
    assert manifest.rejected_count == 1


@pytest.mark.asyncio
async def test_records_that_had_no_fitting_type_land_where_drift_may_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "schema.on_drift=quarantine", "schema.columns.n=int64", LIMIT)
    source = ScriptedSource([[page(1, {"id": 1, "n": 5}, {"id": 2, "n": "five"})]])
    await bench.run(source)
    await mended(tmp_path, bench, "schema.on_drift=variant", "schema.columns.n=int64", LIMIT)
    rows = (await bench.table()).select(["id", "n", "n__variant"]).to_pylist()
    assert rows == [
        {"id": 1, "n": 5, "n__variant": None},
        {"id": 2, "n": None, "n__variant": '"five"'},
    ]


@pytest.mark.asyncio
async def test_a_column_keeps_the_type_that_stands(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "schema.on_drift=quarantine", "schema.columns.n=int64", LIMIT)
    source = ScriptedSource([[page(1, {"id": 1, "n": 5}, {"id": 2, "n": "five"})]])
    first = await bench.run(source)
    with pytest.raises(StateError, match="column 'n' stands as int64, and would land as string"):
        await mended(tmp_path, bench, "schema.columns.n=string", LIMIT)
    assert await bench.manifest() == first


@pytest.mark.asyncio
async def test_a_window_stays_the_recorded_one(tmp_path: Path) -> None:
    incremental = (
        "load=incremental",
        "incremental.cursor=at",
        "incremental.initial=2025-01-01T00:00:00Z",
    )
    bench = Bench(tmp_path, *incremental, at_most(10), LIMIT)
    records = [{"id": day, "n": 10 * day, "at": f"2025-01-0{day}T12:00:00Z"} for day in (1, 2)]
    first = await bench.run(ScriptedSource([[page(1, *records)]]))
    second = await mended(tmp_path, bench, *incremental, at_most(100), LIMIT)
    assert (second.row_count, second.watermark) == (2, first.watermark)


@pytest.mark.asyncio
async def test_what_can_not_be_mended_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, at_most(10), LIMIT, store=MemoryStore(ManualClock()))
    with pytest.raises(StateError, match=r"has no commit; run team\.orders for 2025-01-15 again"):
        await mended(tmp_path, bench, LIMIT)
    await bench.run(ScriptedSource(SCRIPT))
    cursor = ("load=incremental", "incremental.cursor=id", "incremental.cursor_type=integer")
    with pytest.raises(StateError, match=r'can.t be mended: load = "incremental", and it was'):
        await mended(tmp_path, bench, *cursor, LIMIT)
