"""A day that is over is not resumed as what it was when the run was broken off."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource, page
from bronze_engine.testing.sources import Step
from tests.unit.run.harness import NAME, config_of, manifest_of, opened
from tests.unit.run.test_dated import DATED

pytestmark = pytest.mark.unit

DAY = date(2025, 3, 28)


def source(*, breaks: bool) -> ScriptedSource:
    def hour(number: int) -> list[Step]:
        return [page(1, {"id": number, "at": f"2025-03-28T{number:02}:30:00+00:00"})]

    script: list[list[Step]] = [hour(number) for number in (1, 2, 3)]
    if breaks:
        script[2].append(ExtractError("cut off"))
    return ScriptedSource(script, token="the same", chained=True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("again_at", "is_whole", "slices"),
    [
        (datetime(2025, 3, 28, 22, 30, tzinfo=UTC), False, [2]),
        (datetime(2025, 3, 28, 23, 30, tzinfo=UTC), True, [0, 1, 2]),
    ],
)
async def test_a_day_that_ended_since_is_read_anew_to_its_end(
    tmp_path: Path, again_at: datetime, is_whole: bool, slices: list[int]
) -> None:
    config = config_of(*DATED, folder=tmp_path)  # whose day ends at 23:00 UTC
    store = MemoryStore(ManualClock())
    clock = ManualClock(start=datetime(2025, 3, 28, 22, tzinfo=UTC))
    async with opened(config, source(breaks=True), store=store, clock=clock) as engine:
        with pytest.raises(ExtractError):
            await clock.drive(engine.run(NAME, run_date=DAY))
    clock, again = ManualClock(start=again_at), source(breaks=False)
    async with opened(config, again, store=store, clock=clock) as engine:
        await clock.drive(engine.run(NAME, run_date=DAY))
    assert again.read == slices
    manifest = await manifest_of(store, DAY)
    assert manifest is not None
    assert manifest.watermark is not None
    assert manifest.watermark.high_open is is_whole
    assert manifest.row_count == 3
