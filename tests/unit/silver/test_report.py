"""What the report of a run of Silver counts: what this run took in, not what the table holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK

from .lake import NAME, Lake
from .oracle import Landed, Table

pytestmark = pytest.mark.unit

FIRST, SECOND = date(2025, 1, 15), date(2025, 1, 16)


@pytest.mark.asyncio
async def test_what_earlier_runs_kept_out_is_counted_by_none_after_them(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"id": pa.int64(), "at": pa.int64(), "n": pa.string()}
    table = Table(columns=("id", "at", "n"), keys=("id",), order=("at",))
    lake = Lake(tmp_path, table, pa.schema(fields), load="incremental")
    config = lake.config(columns={"cast": {"n": "int64"}}, quality={"max_bad_rows": 2})
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        bad, good = {"id": 1, "at": 1, "n": "x"}, {"id": 2, "at": 2, "n": "2"}
        lake.land(Landed(run_date=FIRST, files=((bad, good),)))
        assert (await engine.silver(NAME)).rejected == 1
        lake.land(Landed(run_date=SECOND, files=(({"id": 3, "at": 3, "n": "3"},),)))
        assert (await engine.silver(NAME)).rejected == 0
        assert (await engine.silver(NAME)).rejected == 0
        manifest = lake.manifest()
        assert manifest is not None
        assert manifest.rejected_count == 1
        runs = (await engine.history(NAME, silver=True)).runs
        assert [run.rejected for run in runs] == [0, 0, 1]


@pytest.mark.asyncio
async def test_late_records_are_counted_by_the_run_and_by_the_table(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"id": pa.int64(), "at": pa.timestamp("us", "UTC")}
    table = Table(columns=("id", "at"), keys=("id",), order=("at",))
    lake = Lake(tmp_path, table, pa.schema(fields), load="incremental")
    days = [date(2025, 1, day) for day in (15, 18, 19)]
    config = lake.config(late_data="quarantine", late_after="1d")
    counts = []
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        for day, at in zip(days, (15, 15, 19), strict=True):
            record = {"id": day.day, "at": datetime(2025, 1, at, tzinfo=UTC)}
            lake.land(Landed(run_date=day, files=((record,),)))
            report = await engine.silver(NAME)
            manifest = lake.manifest()
            assert manifest is not None
            counts.append((report.rejected, report.late_rows, manifest.late_rows))
    assert counts == [(0, 0, 0), (1, 1, 1), (0, 0, 1)]
