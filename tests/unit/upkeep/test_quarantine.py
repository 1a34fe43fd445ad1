"""Rejected records read back: those of a commit, and those of runs that failed for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import QualityError, StateError, StoreError
from bronze_engine.model.part import ANY
from bronze_engine.model.quarantine import Quarantined
from bronze_engine.testing import ScriptedSource, Step, page
from tests.unit.run.harness import DAY, NAME, Bench, partition_of

pytestmark = pytest.mark.unit

RULE = 'quality.rules=[{rule = "range", column = "id", max = 3}]'
SCRIPT: list[list[Step]] = [
    [page(1, {"id": 1}, b'{"id": 7,  "n": "\xff"}', b'{"id":8}')],
    [page(2, {"id": 2}, {"id": 9})],
]


@pytest.mark.asyncio
async def test_committed_records_are_shown_in_order_to_the_byte(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULE, "quality.max_bad_rows=5")
    manifest = await bench.run(ScriptedSource(SCRIPT))
    async with bench.engine(ScriptedSource([])) as engine:
        found = await engine.quarantine(NAME, run_date=DAY)
        assert (found.run, found.is_committed, found.total) == (manifest.run, True, 3)
        assert [each.record for each in found.records] == [
            b'{"id": 7,  "n": "\xff"}',
            b'{"id":8}',
            b'{"id":9}',
        ]
        assert found.records[1] == Quarantined(
            page=1, offset=2, reason="breaks range(id): id = 8", rule="range(id)", raw='{"id":8}'
        )
        few = await engine.quarantine(NAME, run_date=DAY, run=manifest.run, limit=2)
        assert few.records == found.records[:2]


@pytest.mark.asyncio
async def test_those_of_a_failed_run_are_asked_for_by_its_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULE, "quality.max_bad_rows=2")
    with pytest.raises(QualityError) as caught:
        await bench.run(ScriptedSource(SCRIPT))
    run = str(caught.value.context["run"])
    async with bench.engine(ScriptedSource([])) as engine:
        with pytest.raises(StateError, match=f"no commit; runs of {DAY} that failed .*: {run} "):
            await engine.quarantine(NAME, run_date=DAY)
        with pytest.raises(StateError, match="run other has kept no records; runs of"):
            await engine.quarantine(NAME, run_date=DAY, run="other")
        found = await engine.quarantine(NAME, run_date=DAY, run=run)
        assert (found.is_committed, found.total) == (False, 3)
        assert [(each.page, each.offset) for each in found.records] == [(1, 1), (1, 2), (2, 1)]


@pytest.mark.asyncio
async def test_a_file_that_is_not_what_was_committed_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULE, "quality.max_bad_rows=5")
    manifest = await bench.run(ScriptedSource(SCRIPT))
    key = f"{partition_of()}/{manifest.quarantine[0].name}"
    stored = await bench.store.get(key)
    assert stored is not None
    async with bench.engine(ScriptedSource([])) as engine:
        await bench.store.put(key, stored.body[:-1], expect=ANY)
        with pytest.raises(StoreError, match="is not what was written: its sha256 is another"):
            await engine.quarantine(NAME, run_date=DAY)
