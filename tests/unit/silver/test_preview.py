"""What a run of Silver would do, told before it does."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.model.arrow import Field

from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = pytest.mark.unit

DAYS: Final = [date(2025, 3, day) for day in range(1, 4)]
FIELDS: Final[list[Field]] = [pa.field("id", pa.int64()), pa.field("at", pa.int32())]
TABLE: Final = Table(columns=("id", "at"), keys=("id",), order=("at",))


def landed(day: date, *rows: Row, generation: int = 1) -> Landed:
    return Landed(run_date=day, files=(rows,), generation=generation)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, TABLE, pa.schema(FIELDS), load="incremental")


@pytest.mark.asyncio
async def test_a_date_that_is_landed_first_is_in_the_plan_of_the_first_run(lake: Lake) -> None:
    async with open_engine(lake.config()) as engine:
        plan = await engine.plan_silver(NAME, landing=DAYS[0])
    assert (plan.mode, plan.generation, plan.committed) == ("rebuild", 1, None)
    assert plan.notes == ("2025-03-01 is landed first, and goes in as well",)


@pytest.mark.asyncio
@pytest.mark.parametrize(("day", "mode"), [(DAYS[0], "recompute"), (DAYS[1], "merge")])
async def test_what_is_landed_first_is_never_nothing(lake: Lake, day: date, mode: str) -> None:
    lake.land(landed(DAYS[0], {"id": 1, "at": 1}))
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
        plan = await engine.plan_silver(NAME, landing=day)
    assert (plan.mode, plan.generation) == (mode, 2)
    assert plan.notes == (f"{day} is landed first, and goes in as well",)


@pytest.mark.asyncio
async def test_a_rebuild_says_whose_rows_it_loses(lake: Lake) -> None:
    lake.land(landed(DAYS[0], {"id": 1, "at": 1}))
    lake.land(landed(DAYS[1], {"id": 2, "at": 2}))
    said = "Bronze has 2025-03-01 no more, and the table loses their rows"
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
        assert said not in (await engine.plan_silver(NAME, rebuild=True)).notes
        shutil.rmtree(lake.root / "team/orders/dt=2025-03-01")
        assert said in (await engine.plan_silver(NAME, rebuild=True)).notes
        report = await engine.silver(NAME, rebuild=True)
    assert report.warnings == (said,)
    assert report.rows == 1


@pytest.mark.asyncio
async def test_a_run_with_nothing_new_tells_no_columns_of_the_commit_before_it(lake: Lake) -> None:
    lake.land(landed(DAYS[0], {"id": 1, "at": 1}))
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
    async with open_engine(lake.config(history="full")) as engine:
        changed = await engine.silver(NAME)
        assert "effective_from" in {change.column for change in changed.schema_changes}
        again = await engine.silver(NAME)
    assert (again.generation, again.schema_changes) == (changed.generation, ())
