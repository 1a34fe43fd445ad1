"""What `bronze show` says of a curated table."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.cli.main import main
from bronze_engine.clock import SYSTEM_CLOCK
from tests.unit.silver.lake import NAME, Lake
from tests.unit.silver.oracle import Landed, Table

pytestmark = pytest.mark.unit

FIRST, SECOND = date(2025, 1, 15), date(2025, 1, 17)


def test_late_records_of_a_table_are_called_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields: dict[str, Any] = {"id": pa.int64(), "at": pa.timestamp("us", "UTC")}
    table = Table(columns=("id", "at"), keys=("id",), order=("at",))
    lake = Lake(tmp_path, table, pa.schema(fields), load="incremental")
    at = datetime(2025, 1, 15, tzinfo=UTC)
    lake.land(Landed(run_date=FIRST, files=(({"id": 1, "at": at},),)))
    lake.land(Landed(run_date=SECOND, files=(({"id": 2, "at": at},),)))

    async def curate() -> None:
        config = lake.config(late_data="quarantine", late_after="1d")
        async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
            await engine.silver(NAME)

    asyncio.run(curate())
    with pytest.raises(SystemExit) as ended:
        main(["show", str(lake.silver)])
    assert ended.value.code == 0
    assert "rows        1 (1 in quarantine, 1 late)\n" in capsys.readouterr().out
